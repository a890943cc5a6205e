"""Formula fields: a formula to the SQL of a column that is computed when it is read. Pure.

Nothing is stored of them, so no change event tells of one and no SystemModstamp moves: what made them did. Fields of
parents are not spoken of here.
"""

from collections.abc import Callable
from functools import cache
from importlib import resources

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedInput, VisitError

_FUNCTIONS: dict[str, tuple[int, Callable[..., str]]] = {
    "IF": (3, lambda test, then, other: f"(CASE WHEN {test} THEN {then} ELSE {other} END)"),
    "NOT": (1, lambda test: f"(NOT COALESCE({test}, 0))"),
    "ISBLANK": (1, lambda value: f"({value} IS NULL OR {value} = '')"),
    "BLANKVALUE": (2, lambda value, other: f"COALESCE({value}, {other})"),
    "ROUND": (2, lambda value, places: f"ROUND({value}, {places})"),
    "ABS": (1, lambda value: f"ABS({value})"),
    "LEN": (1, lambda value: f"COALESCE(LENGTH({value}), 0)"),
    "TEXT": (1, lambda value: f"CAST({value} AS TEXT)"),
    "TRUE": (0, lambda: "1"),
    "FALSE": (0, lambda: "0"),
}
_MANY: dict[str, str] = {"AND": " AND ", "OR": " OR "}


class BadFormula(ValueError):
    """The formula is none, or asks for what this org does not do."""


def formula_sql(formula: str, column: Callable[[str], str | None]) -> str:
    """SQL of a formula; `column` gives a field's column by its name in any case, quoted, or None.

    Raises:
        BadFormula: it cannot be read, or names an unknown field or function.
    """
    try:
        return str(_Compiler(column).transform(_parser().parse(formula)))
    except UnexpectedInput as problem:
        raise BadFormula(f"{formula!r}: not understood at character {(problem.pos_in_stream or 0) + 1}") from problem
    except VisitError as problem:
        raise BadFormula(f"{formula!r}: {problem.orig_exc}") from problem


@cache
def _parser() -> Lark:
    grammar = resources.files(__package__).joinpath("formula.lark").read_text(encoding="utf-8")
    return Lark(grammar, start="formula", parser="lalr", maybe_placeholders=False)


class _Compiler(Transformer[Token, str]):
    """Tree to SQL: a method for each rule of the grammar."""

    def __init__(self, column: Callable[[str], str | None]) -> None:
        super().__init__()
        self._column = column

    def number(self, parts: list[Token]) -> str:
        return str(parts[0])

    def string(self, parts: list[Token]) -> str:
        return "'" + str(parts[0])[1:-1].replace("'", "''") + "'"

    def name(self, parts: list[Token]) -> str:
        found = self._column(str(parts[0]))
        if found is None:
            raise BadFormula(f"there is no field {parts[0]}")
        return found

    def call(self, parts: list[Token | str]) -> str:
        name, arguments = str(parts[0]).upper(), [str(one) for one in parts[1:]]
        if name in _MANY and arguments:
            return f"({_MANY[name].join(f'COALESCE({one}, 0)' for one in arguments)})"
        number, made = _FUNCTIONS.get(name, (-1, str))
        if number != len(arguments):
            raise BadFormula(f"there is no function {name} of {len(arguments)} arguments")
        return made(*arguments)

    def compare(self, parts: list[Token | str]) -> str:
        sign = {"==": "=", "!=": "<>"}.get(str(parts[1]), str(parts[1]))
        return f"({parts[0]} {sign} {parts[2]})"

    def join(self, parts: list[str]) -> str:
        return f"(COALESCE({parts[0]}, '') || COALESCE({parts[1]}, ''))"

    def divide(self, parts: list[str]) -> str:
        return f"(CAST({parts[0]} AS REAL) / {parts[1]})"

    def add(self, parts: list[str]) -> str:
        return f"({parts[0]} + {parts[1]})"

    def subtract(self, parts: list[str]) -> str:
        return f"({parts[0]} - {parts[1]})"

    def multiply(self, parts: list[str]) -> str:
        return f"({parts[0]} * {parts[1]})"

    def negate(self, parts: list[str]) -> str:
        return f"(-{parts[0]})"

    def not_(self, parts: list[str]) -> str:
        return f"(NOT COALESCE({parts[0]}, 0))"

    def and_(self, parts: list[str]) -> str:
        return f"(COALESCE({parts[0]}, 0) AND COALESCE({parts[1]}, 0))"

    def or_(self, parts: list[str]) -> str:
        return f"(COALESCE({parts[0]}, 0) OR COALESCE({parts[1]}, 0))"
