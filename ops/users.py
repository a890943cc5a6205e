"""Users of the admin page: what a name and a password must be."""

import re
from typing import Final

from adapters.encryption.passwords import hash_password
from schemas.operators import Role, User

SHORTEST: Final = 12
LONGEST: Final = 256
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{1,63}")


def wrong_password(password: str) -> str:
    """Why it is not good enough; empty where it is."""
    if len(password) < SHORTEST:
        return f"a password has at least {SHORTEST} characters"
    return f"a password has at most {LONGEST} characters" if len(password) > LONGEST else ""


def wrong_user(name: str, role: str) -> str:
    """Why there can be no user of this name and role; empty where there can."""
    if not _NAME.fullmatch(name):
        return "a name has 2 to 64 of a-z, 0-9, dot, dash, underscore and @, and begins with a letter or digit"
    return "" if role in list(Role) else f"a role is one of {', '.join(Role)}"


async def new_user(name: str, role: str, password: str, now: int) -> User | str:
    """A user, or why there can be none such."""
    if why := wrong_user(name, role) or wrong_password(password):
        return why
    return User(name, Role(role), await hash_password(password), created_at=now)
