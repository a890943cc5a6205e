"""A caller's SOQL as words and values, and what is wrong with it. No fault quotes a value."""

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from adapters.salesforce.soql_values import DateLiteral, Value

_WORD: Final = re.compile(
    r"""\s*(?:(?P<string>'(?:\\.|[^'\\])*')
    |(?P<moment>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:?\d\d))
    |(?P<date>\d{4}-\d\d-\d\d)|(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)
    |(?P<name>[a-z]\w*(?:\.[a-z]\w*)*(?::\d+)?)|(?P<sign><>|!=|<=|>=|[=<>(),;])|(?P<end>\Z))""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE | re.ASCII,
)
_SPACE: Final = " \t\n\r\f\v"
"""What `_WORD` skips: other white space, a control character even, is none to Salesforce."""
_ESCAPE: Final = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_SIMPLE: Final = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "'": "'", '"': '"', "\\": "\\"}
CLAUSES: Final = frozenset({"WHERE", "ORDER", "LIMIT", "OFFSET", "USING", "WITH", "GROUP", "HAVING", "FOR", "UPDATE"})
REFUSED: Final = {
    "USING": "USING SCOPE is not taken",
    "WITH": "WITH is not taken",
    "GROUP": "GROUP BY is not taken",
    "HAVING": "HAVING is not taken",
    "FOR": "FOR VIEW, FOR REFERENCE and FOR UPDATE are not taken",
    "UPDATE": "UPDATE TRACKING and UPDATE VIEWSTAT are not taken",
    "ALL": "ALL ROWS is not taken",
}
"""Clauses that are read to their end and named."""
AGGREGATES: Final = frozenset({"COUNT", "COUNT_DISTINCT", "SUM", "AVG", "MIN", "MAX"})


@dataclass(frozen=True, slots=True)
class SoqlFault:
    """One thing that is wrong with a query. `place` counts characters from 1."""

    message: str
    place: int

    def __str__(self) -> str:
        return f"character {self.place}: {self.message}"


class Unreadable(Exception):
    def __init__(self, message: str, place: int) -> None:
        super().__init__(message)
        self.fault = SoqlFault(message, place)


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    text: str
    place: int

    @property
    def word(self) -> str:
        return self.text.upper() if self.kind in ("name", "sign") else ""


def tokens_of(text: str) -> list[Token]:
    found: list[Token] = []
    at = 0
    while True:
        match = _WORD.match(text, at)
        if match is None:
            start = at + len(text[at:]) - len(text[at:].lstrip(_SPACE))
            what = "a text without its end" if text[start] == "'" else "a character that SOQL does not have here"
            raise Unreadable(what, start + 1)
        kind = str(match.lastgroup)
        found.append(Token(kind, match[kind], match.start(kind) + 1))
        if kind == "end":
            return found
        at = match.end()


class Cursor:
    """Goes through the words of a query; at the end it stays there."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.at = 0

    @property
    def next(self) -> Token:
        """The word that comes next."""
        return self.tokens[self.at]

    def take(self) -> Token:
        """It, and go on."""
        token = self.tokens[self.at]
        self.at = min(self.at + 1, len(self.tokens) - 1)
        return token

    def comes(self, *words: str) -> bool:
        """Whether these come next."""
        ahead = self.tokens[self.at : self.at + len(words)]
        return [token.word for token in ahead] == list(words)

    def skip(self, *words: str) -> bool:
        """Go past these, if they come next; whether they did."""
        if not self.comes(*words):
            return False
        self.at += len(words)
        return True

    def expect(self, word: str) -> Token:
        """Go past this.

        Raises:
            Unreadable: another comes next.
        """
        if self.next.word != word:
            end = self.next.kind == "end"
            raise Unreadable(f"{word} is expected{', and the query ends' if end else ''}", self.next.place)
        return self.take()

    def expect_end(self) -> None:
        """Nothing may come.

        Raises:
            Unreadable: something does.
        """
        if self.next.kind != "end":
            raise Unreadable("something follows the end of the query", self.next.place)

    def balanced(self) -> None:
        """Pass over what stands in parentheses, of which the first comes next."""
        depth = 0
        while True:
            token = self.take()
            depth += {"(": 1, ")": -1}.get(token.word, 0)
            if token.kind == "end":
                raise Unreadable(") is expected, and the query ends", token.place)
            if depth == 0:
                return


def value_of_token(token: Token) -> Value:
    """The value that a word is.

    Raises:
        Unreadable: it is none.
    """
    try:
        match token.kind:
            case "string":
                return text_of_token(token)
            case "moment":
                return datetime.fromisoformat(token.text.upper())
            case "date":
                return date.fromisoformat(token.text)
            case "number":
                return int(token.text) if re.fullmatch(r"[+-]?\d{1,18}", token.text) else float(token.text)
            case "name":
                return _named_value(token.word)
    except (ValueError, OverflowError):
        raise Unreadable("not a value that SOQL knows", token.place) from None
    raise Unreadable("a value is expected", token.place)


def text_of_token(token: Token, keep: str = "") -> str:
    """What stands between the quotes; escapes of the characters to keep stay as they are.

    Raises:
        Unreadable: it is no text.
    """
    if token.kind != "string":
        raise Unreadable("a text in quotes is expected", token.place)

    def one(found: re.Match[str]) -> str:
        escaped = found[1]
        if len(escaped) == 5:
            return chr(int(escaped[1:], 16))
        if escaped in keep:
            return found[0]
        if escaped in "%_":
            return escaped
        if escaped.lower() not in _SIMPLE:
            raise Unreadable("a backslash before a character that it does not belong to", token.place)
        return _SIMPLE[escaped.lower()]

    return _ESCAPE.sub(one, token.text[1:-1])


def _named_value(word: str) -> Value:
    known: dict[str, Value] = {"NULL": None, "TRUE": True, "FALSE": False}
    if word in known:
        return known[word]
    literal, _, number = word.partition(":")
    return DateLiteral(literal, int(number) if number else None)
