"""Keys of the platform's API: who has which, made, and ended."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from ops.admin.answers import Answer, Asked, CannotDo, Done, Page, Question
from ops.api_keys_command import new_key, state
from schemas.api_key import ApiKey, Scope

TO: Final = "/admin/api-keys"
LONGEST_NAME: Final = 100
LONGEST_DAYS: Final = 3_650
OVERLAP: Final = timedelta(days=7)
"""How long a key that was rotated is good beside the one that takes its place."""


async def show_all(asked: Asked) -> Answer:
    """All of them, the oldest first; no hash."""
    now = _now(asked)
    keys = [shown(key, now) for key in await asked.parts.api_keys.all()]
    return Page("api_keys.html", "API keys", {"keys": keys, "scopes": list(Scope), "longest_days": LONGEST_DAYS})


async def add(asked: Asked) -> Answer:
    """Make one, and show it this once: only its hash is kept."""
    name, days, rate = asked.form.get("name", "").strip(), _number(asked, "days"), _number(asked, "rate")
    scopes = [scope for scope in Scope if asked.form.get(f"scope-{scope}")]
    if not 0 < len(name) <= LONGEST_NAME:
        raise CannotDo("say who will use it, in at most 100 characters")
    if not scopes:
        raise CannotDo("a key without a scope may do nothing: tick what it may do")
    if days is not None and days > LONGEST_DAYS:
        raise CannotDo(f"at most {LONGEST_DAYS} days; leave it empty for a key without end")
    if not asked.is_sure:
        until = f"It ends by itself after {days:g} days." if days else "It has no end of its own."
        lines = [f"{name} may with it: {', '.join(scopes)}", until, "It is shown once; only its hash is kept."]
        return Question(f"Make a key for {name}", lines, "Make the key", TO)
    why = asked.why()
    made = partial(new_key, name, scopes, by=asked.user.name, at=_now(asked), days=days, rate=rate)
    text, key = await asyncio.to_thread(made)  # argon2 takes its time, and the loop has other pages to serve
    async with asked.noted("add api key", f"{key.id} of {key.name}", why, f"it may {', '.join(scopes)}"):
        await asked.parts.api_keys.add(key)
    return Page("api_key.html", "The new key", {"key": text, **shown(key, _now(asked))}, 201)


async def rotate(asked: Asked) -> Answer:
    """Make another that may do the same, and let the one before be good for a week more."""
    before, now = await _one(asked), _now(asked)
    if before.revoked_at is not None or (before.ends_at is not None and before.ends_at <= now):
        raise CannotDo("it is good no more: make another")
    if not asked.is_sure:
        lines = [
            f"Another key for {before.name}, which may do the same, is made and shown once.",
            f"This one is good for {OVERLAP.days} more days at most; revoke it sooner where it has leaked.",
        ]
        return Question(f"Rotate the key {before.id}", lines, "Rotate", TO)
    why = asked.why()
    days = None if before.ends_at is None else (before.ends_at - before.made_at).total_seconds() / 86_400
    made = partial(new_key, before.name, before.scopes, by=asked.user.name, at=now, days=days, rate=before.rate)
    text, key = await asyncio.to_thread(made)
    async with asked.noted("rotate api key", f"{before.id} of {before.name}", why, f"by {key.id}"):
        await asked.parts.api_keys.add(key)
        await asked.parts.api_keys.end_by(before.id, now + OVERLAP)
    return Page("api_key.html", "The new key", {"key": text, **shown(key, now)}, 201)


async def revoke(asked: Asked) -> Answer:
    """End one for good."""
    key = await _one(asked)
    if not asked.is_sure:
        lines = [f"{key.name} may no more: {', '.join(key.scopes)}", "It is refused within five seconds, for good."]
        return Question(f"Revoke the key {key.id}", lines, "Revoke", TO, dangerous=True)
    async with asked.noted("revoke api key", f"{key.id} of {key.name}", asked.why()):
        if not await asked.parts.api_keys.revoke(key.id, _now(asked)):
            raise CannotDo("it was revoked before")
    return Done(f"the key {key.id} of {key.name} is revoked", TO)


def shown(key: ApiKey, now: datetime) -> dict[str, object]:
    """As the list shows it."""
    return {
        "id": key.id,
        "name": key.name,
        "scopes": list(key.scopes),
        "made_at": int(key.made_at.timestamp() * 1000),
        "made_by": key.made_by,
        "rate": key.rate,
        "state": state(key, now),
        "revoked": key.revoked_at is not None,
    }


async def _one(asked: Asked) -> ApiKey:
    key = await asked.parts.api_keys.read(asked.request.match_info["key"])
    if key is None:
        raise CannotDo("there is no such key")
    return key


def _number(asked: Asked, name: str) -> float | None:
    """A number above nothing; None where nothing is said."""
    given = asked.form.get(name, "").strip()
    if not given:
        return None
    try:
        number = float(given)
    except ValueError:
        number = 0
    if not 0.01 <= number <= 1_000_000:  # nor NaN
        raise CannotDo(f"{name}: a number above nothing, or empty")
    return number


def _now(asked: Asked) -> datetime:
    return datetime.fromtimestamp(asked.parts.now() / 1000, UTC)
