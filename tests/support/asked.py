"""A mapping that notes what it is asked for: which keys of what is stored a reader looks at."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any


class Asked(dict[str, Any]):
    """The same as the mapping given, its maps and lists too. Paths of keys that were asked for go to `noted`.

    Maps at paths in `opaque` are values of somebody's own, and left alone; those in `by_name` hold one map for each of
    names that differ, which count as one.
    """

    def __init__(
        self,
        stored: Mapping[str, Any],
        noted: set[str],
        at: str = "",
        *,
        opaque: Collection[str] = (),
        by_name: Collection[str] = (),
    ) -> None:
        super().__init__()
        self._noted, self._at, self._by_name = noted, at, by_name

        def within(value: Any, path: str) -> Any:
            if path in opaque:
                return value
            if isinstance(value, Mapping):
                return Asked(value, noted, path, opaque=opaque, by_name=by_name)
            if isinstance(value, list):
                return [within(each, path) for each in value]
            return value

        for name, value in stored.items():
            self[name] = within(value, self._path(name))

    def _path(self, name: str) -> str:
        return self._at if self._at in self._by_name else f"{self._at}.{name}"

    def get(self, name: str, default: Any = None) -> Any:
        self._noted.add(self._path(name))
        return super().get(name, default)

    def __getitem__(self, name: str) -> Any:
        self._noted.add(self._path(name))
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self._noted.add(self._path(str(name)))
        return super().__contains__(name)

    def paths(self) -> Iterator[str]:
        """Of every key that is there."""
        for name, value in self.items():
            yield self._path(name)
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, Asked):
                    yield from each.paths()
