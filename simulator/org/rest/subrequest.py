"""A request within a request, as the composite resources hold them; it is answered without waiting for anything."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson
from multidict import CIMultiDict, CIMultiDictProxy, MultiMapping
from yarl import URL


class Request(Protocol):
    """What resources need of a request; aiohttp's has all of it."""

    @property
    def method(self) -> str:
        """The HTTP verb."""

    @property
    def path(self) -> str:
        """The path, decoded."""

    @property
    def query(self) -> MultiMapping[str]:
        """The parameters behind the path."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, in any case."""

    @property
    def match_info(self) -> Mapping[str, str]:
        """The parts of the path that the resource names."""

    async def read(self) -> bytes:
        """The body."""


@dataclass(frozen=True, slots=True)
class SubRequest:
    """One subrequest."""

    method: str
    url: URL
    headers: CIMultiDictProxy[str]
    body: Any = None
    match_info: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """The path, decoded."""
        return self.url.path

    @property
    def query(self) -> MultiMapping[str]:
        """The parameters behind the path."""
        return self.url.query

    async def read(self) -> bytes:
        """The body."""
        return b"" if self.body is None else orjson.dumps(self.body)


def headers_of(*each: Mapping[str, Any]) -> CIMultiDictProxy[str]:
    """Headers; later ones replace earlier ones of the same name."""
    merged: CIMultiDict[str] = CIMultiDict()
    for headers in each:
        for name, value in headers.items():
            merged[name] = str(value)
    return CIMultiDictProxy(merged)
