"""Users of this page, and what they did."""

from typing import Final

from adapters.encryption.passwords import hash_password, is_password
from ops.admin.answers import Answer, Asked, CannotDo, Done, Page, Question
from ops.users import SHORTEST, new_user, wrong_password, wrong_user
from schemas.operators import Role

ROWS: Final = 100


async def show_users(asked: Asked) -> Answer:
    """Everybody who may sign in. Without their hashes, in JSON too."""
    shows = [
        {"name": each.name, "role": each.role, "disabled": each.disabled, "seen_at": each.seen_at}
        for each in await asked.parts.users.all()
    ]
    return Page("users.html", "Users", {"users": shows, "roles": list(Role)})


async def add(asked: Asked) -> Answer:
    """A new user. The first password is asked for with the question, so that no page has to hold it."""
    name, role = asked.form.get("name", "").strip(), asked.form.get("role", "")
    if wrong := wrong_user(name, role):
        raise CannotDo(wrong)
    if not asked.is_sure:
        if await asked.parts.users.find(name):
            raise CannotDo(_there_already(name))
        told = [f"{name} may sign in as {role}, with the password that you tell them."]
        return Question(f"Add {name}", told, "Add", "/admin/users", password=SHORTEST)
    why = asked.why()
    user = await new_user(name, role, asked.form.get("password", ""), asked.parts.now())
    if isinstance(user, str):
        raise CannotDo(user)
    async with asked.noted("add user", name, why, f"as {user.role}"):
        if not await asked.parts.users.add(user):
            raise CannotDo(_there_already(name))
    return Done(f"{name} may sign in as {user.role}", "/admin/users")


def _there_already(name: str) -> str:
    return f"there is a user {name} already"


async def change(asked: Asked) -> Answer:
    """Another role, shut out, or let in again. Nobody changes themselves: the last admin would lock everybody out."""
    name, what = asked.request.match_info["name"], asked.form.get("what", "")
    if name == asked.user.name:
        raise CannotDo("not of yourself: another admin does that")
    if what not in ("disable", "enable", *(f"role:{role}" for role in Role)):
        raise CannotDo("say disable, enable or a role")
    if not asked.is_sure:
        return Question(f"{name}: {what}", [f"{name}: {what}"], "Change", "/admin/users", dangerous=True)
    users = asked.parts.users
    async with asked.noted(what, name, asked.why()):
        if what.startswith("role:"):
            there = await users.set_role(name, Role(what.removeprefix("role:")))
        else:
            there = await users.set_disabled(name, disabled=what == "disable")
        if not there:
            raise CannotDo(f"there is no user {name}")
        await asked.parts.sessions.end_all_of(name)
    return Done(f"{name}: {what}", "/admin/users")


async def show_account(asked: Asked) -> Answer:
    """One's own."""
    return Page(
        "account.html", "Your account", {"name": asked.user.name, "role": asked.user.role, "shortest": SHORTEST}
    )


async def change_password(asked: Asked) -> Answer:
    """One's own, by the one before; every other visit of theirs ends."""
    if not await is_password(asked.form.get("password", ""), asked.user.password_hash):
        raise CannotDo("that is not your password")
    fresh = asked.form.get("fresh", "")
    if why := wrong_password(fresh):
        raise CannotDo(why)
    hashed = await hash_password(fresh)
    async with asked.noted("change password", asked.user.name, "their own"):
        await asked.parts.users.set_password(asked.user.name, hashed)
        await asked.parts.sessions.end_all_of(asked.user.name)
    return Done("your password is changed; sign in with it", "/admin/login")


async def show_audit(asked: Asked) -> Answer:
    """What operators did, here and by command, the newest first."""
    before = asked.query("before")
    rows = await asked.parts.overview.operations(ROWS, int(before) if before.isdecimal() else 0)
    shows = [
        {
            "at": row["at"],
            "by": row.get("by", ""),
            "what": row.get("what", ""),
            "item": row.get("item", ""),
            "note": row.get("note", ""),
            "result": row.get("result", row.get("state", "")),
        }
        for row in rows
    ]
    older = shows[-1]["at"] if len(shows) == ROWS else 0
    return Page("audit.html", "Audit", {"rows": shows, "older": older})
