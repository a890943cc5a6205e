"""Of which documents a condition of the mapping holds (its push filter, its consent), found out a second time."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, assert_never

from schemas.mapping import KindMapping
from schemas.record_filter import AllOf, AnyOf, Comparison, Condition, NoneOf, comparisons
from schemas.transforms import compile_field
from simulator.observer.history import Row, value_at

Key = Callable[[Any], Any]


class Leave:
    """What a kind's condition lets through; without one, every document."""

    def __init__(self, kind: KindMapping, condition: Condition | None) -> None:
        self._condition = condition
        self._keys: Mapping[str, Key] = {field.platform: compile_field(field).key for field in kind.fields}

    @property
    def paths(self) -> frozenset[str]:
        """The platform's paths that it asks about."""
        return frozenset() if self._condition is None else frozenset(test.path for test in comparisons(self._condition))

    def lets(self, values: Row) -> bool:
        """Whether it holds of a document with these values."""
        return self._condition is None or self._holds(self._condition, values)

    def ever_let(self, states: Iterable[Row]) -> bool:
        """Whether it held of a document, in any of these states."""
        return self._condition is None or any(self.lets(state) for state in states)

    def _holds(self, condition: Condition, values: Row) -> bool:
        match condition:
            case Comparison():
                return self._compares(condition, values)
            case AllOf(all=parts):
                return all(self._holds(part, values) for part in parts)
            case AnyOf(any=parts):
                return any(self._holds(part, values) for part in parts)
            case NoneOf(none=parts):
                return not any(self._holds(part, values) for part in parts)
            case _:
                assert_never(condition)

    def _compares(self, test: Comparison, values: Row) -> bool:
        key = self._keys.get(test.path)
        held = None if key is None else self._plain(key(value_at(values, test.path)))
        if test.present is not None:
            return (held is not None) is test.present
        if key is None or held is None:
            return False
        if test.equals is not None:
            return bool(held == self._plain(key(test.equals)))
        if test.one_of is not None:
            return held in [self._plain(key(each)) for each in test.one_of]
        least = test.at_least is not None
        bound = self._plain(key(test.at_least if least else test.at_most))
        if bound is None or isinstance(bound, str) is not isinstance(held, str):
            return False
        return bool(held >= bound) if least else bool(held <= bound)

    @staticmethod
    def _plain(value: Any) -> Any:
        """Text without case; a truth value, which is compared as a word in brackets, as its word."""
        if isinstance(value, tuple) and len(value) == 1:
            (value,) = value
        return value.casefold() if isinstance(value, str) else value
