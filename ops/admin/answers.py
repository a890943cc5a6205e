"""What a handler of the admin page answers with, and what it is given. A closed set: `respond` matches it whole."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from ops.admin.parts import AdminParts
from ops.noting import Deed, Ending, noted
from schemas.operators import Role, Session, User


class CannotDo(Exception):
    """Why it was not done, in one line that holds no value of a field."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request of somebody who has signed in and may ask this. `form` holds the first value of each field."""

    request: web.Request
    user: User
    session: Session
    parts: AdminParts
    form: Mapping[str, str] = field(default_factory=dict)
    chosen: Sequence[str] = ()
    """The values of `id`, of which a form may have many."""
    render: Callable[[str, Mapping[str, Any]], str] = lambda template, _values: template
    """A part of a page by its template, for what is sent to an open page."""

    @property
    def is_sure(self) -> bool:
        """Whether the question has been answered with yes."""
        return self.form.get("sure") == "yes"

    @property
    def masked(self) -> bool:
        """Whether personal fields are hidden from this user."""
        return not self.user.role.may(Role.OPERATOR)

    def query(self, name: str, default: str = "") -> str:
        """A value of the address."""
        return self.request.query.get(name, default)

    def why(self) -> str:
        """What the operator says this is done for.

        Raises:
            CannotDo: nothing is said.
        """
        if note := self.form.get("why", "").strip():
            return note[:500]
        raise CannotDo("say why: it is kept with what was done")

    def noted(
        self, what: str, item: str, why: str, result: str = "done", **told: Any
    ) -> AbstractAsyncContextManager[Ending]:
        """Keep who does what, and why, in the audit before the block does it; and how it went.

        Raises:
            Unavailable: MongoDB does not answer.
        """
        deed = Deed(what, item, self.user.name, why, self.parts.now(), told)
        return noted(self.parts.operations, deed, result, refusals=(CannotDo,))


@dataclass(frozen=True, slots=True)
class Page:
    """A page: its template, its heading, and what it shows, which is also its JSON."""

    template: str
    title: str
    shows: Any
    status: int = 200


@dataclass(frozen=True, slots=True)
class Question:
    """Before something is changed: what would come of it, and why it is to be done. The form comes back with `sure`."""

    title: str
    lines: Sequence[str]
    button: str
    back: str
    dangerous: bool = False
    carried: Sequence[tuple[str, str]] | None = None
    """What its form comes back with beside the answer; None: what it was asked with."""
    password: int = 0
    """Above 0, a first password of at least so many characters is asked for beside it."""


@dataclass(frozen=True, slots=True)
class Done:
    """It is done: told at the top of the page that comes next."""

    told: str
    to: str


Answer = Page | Question | Done | web.StreamResponse
Handler = Callable[[Asked], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Route:
    """One address, and whom it answers."""

    method: str
    path: str
    role: Role
    handler: Handler
