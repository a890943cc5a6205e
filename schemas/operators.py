"""Who may use the admin page, and a visit of theirs."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What somebody may do; each may all that those before it may."""

    VIEWER = "viewer"
    """Looks. Personal fields are masked."""
    OPERATOR = "operator"
    """Repairs: redrives, discards, settles conflicts, closes gaps, starts runs."""
    ADMIN = "admin"
    """Changes what others rely upon: users, keys, the mapping, the connection; erases people."""

    def may(self, needed: "Role") -> bool:
        """Whether somebody with this role may do what asks for that one."""
        return _RANK[self] >= _RANK[needed]


_RANK: Final = {role: rank for rank, role in enumerate(Role)}


@dataclass(frozen=True, slots=True)
class User:
    """Times are epoch milliseconds; 0 where there was none."""

    name: str
    role: Role
    password_hash: str
    disabled: bool = False
    created_at: int = 0
    seen_at: int = 0


@dataclass(frozen=True, slots=True)
class Session:
    """A visit: who, since when, when last heard of, and the token that its forms must carry. Epoch milliseconds."""

    id: str
    user: str
    csrf: str
    began_at: int
    seen_at: int
