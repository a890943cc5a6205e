"""A caller's SOQL read into the parts that the builder writes: one SELECT, and everything in it that is not taken.

What is read is written anew by `adapters.salesforce.soql`, so no text of a caller's ever reaches Salesforce as it came.
Faults name places, words of SOQL and names, never a value.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from adapters.salesforce import soql
from adapters.salesforce import soql_words as words
from adapters.salesforce.soql_words import AGGREGATES, CLAUSES, REFUSED, Cursor, SoqlFault, Token, Unreadable

T = TypeVar("T")
DEEPEST: Final = 50


@dataclass(frozen=True, slots=True)
class Named:
    """A name as the caller wrote it, of the query's object or of one in a semi-join, and where it stands."""

    sobject: str
    path: str
    place: int


@dataclass(slots=True)
class Reading:
    """What was read. `names` are the fields in the order written; `objects` the objects with their places."""

    faults: list[SoqlFault] = field(default_factory=list)
    select: soql.Select | None = None
    names: list[Named] = field(default_factory=list)
    objects: list[Named] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Whose:
    """The object that names without another one before them are of."""

    sobject: str
    alias: str


def read_soql(text: str) -> Reading:
    """The query, with everything that is not taken; no `select` where it cannot be read to its end."""
    reading = Reading()
    try:
        reader = _Reader(words.tokens_of(text), reading)
        reading.select = reader.whole()
    except Unreadable as unreadable:
        reading.faults.append(unreadable.fault)
    return reading


class _Reader(Cursor):
    """Recursive descent: a method for each part."""

    def __init__(self, tokens: list[Token], reading: Reading) -> None:
        super().__init__(tokens)
        self._reading = reading
        self._depth = 0

    def whole(self) -> soql.Select:
        select = self._select(inner=False)
        if self.next.word == ";":
            self._fault("one SELECT, without a semicolon", self.next.place)
            self.take()
            while self.next.kind != "end":
                self.take()
        self.expect_end()
        return select

    def _fault(self, message: str, place: int) -> None:
        self._reading.faults.append(SoqlFault(message, place))

    def _select(self, *, inner: bool) -> soql.Select:
        self.expect("SELECT")
        chosen, counts = self._chosen()
        self.expect("FROM")
        sobject = self._name("an object")
        self._reading.objects.append(Named(sobject.text, "", sobject.place))
        alias = ""
        if self.next.kind == "name" and self.next.word not in CLAUSES | {"ALL"}:
            alias = self.take().text
        if self.next.word == ",":
            raise Unreadable("one object after FROM", self.next.place)
        whose = _Whose(sobject.text, alias)
        fields = tuple(self._mine(whose, token) for token in chosen)
        if inner and (counts or len(fields) != 1):
            self._fault("a query within a condition selects one field", sobject.place)
        return self._clauses(soql.Select(fields, sobject.text), whose, inner=inner)

    def _clauses(self, select: soql.Select, whose: "_Whose", *, inner: bool) -> soql.Select:
        where, order = None, list[soql.Order]()
        numbers: dict[str, int | None] = {"LIMIT": None, "OFFSET": None}
        while self.next.word not in ("", ")", ";"):
            clause = self.take()
            if clause.word == "WHERE" and where is None:
                where = self._condition(whose)
            elif clause.word == "ORDER" and not order:
                self.expect("BY")
                order = self._list(lambda: self._ordered(whose))
            elif clause.word in numbers and numbers[clause.word] is None:
                numbers[clause.word] = self._whole_number()
            elif clause.word in REFUSED:
                self._fault(REFUSED[clause.word], clause.place)
                self._pass_clause()
            else:
                raise Unreadable("a clause that is not expected here", clause.place)
            if inner and clause.word != "WHERE":
                self._fault(f"{clause.word} has no place in a query within a condition", clause.place)
        limit, offset = numbers["LIMIT"], numbers["OFFSET"]
        return soql.Select(select.fields, select.sobject, where, tuple(order), limit, offset)

    def _pass_clause(self) -> None:
        while self.next.kind != "end" and self.next.word not in CLAUSES | {";", ")", "ALL"}:
            if self.next.word == "(":
                self.balanced()
            else:
                self.take()
            if self.tokens[self.at - 1].word == "FOR":
                self.take()

    def _chosen(self) -> tuple[list[Token], bool]:
        """The fields, and whether it is COUNT()."""
        if self.skip("COUNT", "(", ")"):
            if self.next.word == ",":
                raise Unreadable("COUNT() stands alone", self.next.place)
            return [], True
        chosen: list[Token] = []
        while True:
            token = self.next
            if token.word == "(":
                self._fault("queries of children are not taken: ask for the children by their parent", token.place)
                self.balanced()
            elif token.word == "TYPEOF":
                self._fault("TYPEOF is not taken", token.place)
                while self.take().word != "END":
                    if self.next.kind == "end":
                        raise Unreadable("END is expected, and the query ends", self.next.place)
            else:
                name = self._name("a field")
                if self.next.word == "(":
                    only = "; of the aggregates COUNT() is" if name.word in AGGREGATES else ""
                    self._fault(f"{name.word}(…) is not taken{only}", name.place)
                    self.balanced()
                else:
                    chosen.append(name)
            if not self.skip(","):
                return chosen, False

    def _condition(self, whose: "_Whose") -> soql.Condition:
        self._depth += 1
        if self._depth > DEEPEST:
            raise Unreadable(f"conditions more than {DEEPEST} deep", self.next.place)
        parts, word = [self._term(whose)], self.next.word
        while word in ("AND", "OR") and self.next.word == word:
            self.take()
            parts.append(self._term(whose))
        if self.next.word in ("AND", "OR"):
            raise Unreadable("AND and OR do not mix without parentheses", self.next.place)
        self._depth -= 1
        if len(parts) == 1:
            return parts[0]
        return soql.AllOf(tuple(parts)) if word == "AND" else soql.AnyOf(tuple(parts))

    def _term(self, whose: "_Whose") -> soql.Condition:
        if self.skip("NOT"):
            self._depth += 1
            if self._depth > DEEPEST:
                raise Unreadable(f"conditions more than {DEEPEST} deep", self.next.place)
            negated = soql.Not(self._term(whose))
            self._depth -= 1
            return negated
        if self.skip("("):
            inner = self._condition(whose)
            self.expect(")")
            return inner
        name = self._name("a field")
        if self.next.word == "(":
            self._fault(f"{name.word}(…) is not taken", name.place)
            self.balanced()
            path = "Id"
        else:
            path = self._mine(whose, name)
        return self._test(path)

    def _test(self, path: str) -> soql.Condition:
        token = self.take()
        negated = token.word == "NOT"
        if negated:
            self.expect("IN")
        if negated or token.word == "IN":
            self.expect("(")
            if self.comes("SELECT"):
                found: soql.Condition = soql.InSelect(path, self._select(inner=True), negated)
            else:
                found = soql.In(path, tuple(self._list(lambda: words.value_of_token(self.take()))), negated)
            self.expect(")")
            return found
        if token.word in ("INCLUDES", "EXCLUDES"):
            self.expect("(")
            sets = tuple(self._list(lambda: tuple(words.text_of_token(self.take()).split(";"))))
            self.expect(")")
            return soql.Includes(path, sets, token.word == "EXCLUDES")
        if token.word == "LIKE":
            return soql.Matches(path, words.text_of_token(self.take(), keep="%_\\"))
        try:
            operator = soql.Operator("!=" if token.text == "<>" else token.text)
        except ValueError:
            raise Unreadable("a comparison is expected", token.place) from None
        return soql.Compare(path, operator, words.value_of_token(self.take()))

    def _ordered(self, whose: "_Whose") -> soql.Order:
        path = self._mine(whose, self._name("a field"))
        descending = self.skip("DESC") or (self.skip("ASC") and False)
        last = self.skip("NULLS", "LAST") or (self.skip("NULLS", "FIRST") and False)
        return soql.Order(path, descending, last)

    # Leaves

    def _list(self, one: Callable[[], T]) -> list[T]:
        found = [one()]
        while self.skip(","):
            found.append(one())
        return found

    def _name(self, what: str) -> Token:
        token = self.take()
        if token.kind != "name" or ":" in token.text or token.word in CLAUSES | {"SELECT", "FROM"}:
            raise Unreadable(f"the name of {what} is expected", token.place)
        return token

    def _mine(self, whose: "_Whose", token: Token) -> str:
        """A field's path without the object's own name or alias before it; noted for whoever judges the names."""
        first, _, rest = token.text.partition(".")
        own = {whose.sobject.casefold(), whose.alias.casefold()} - {""}
        path = rest if rest and first.casefold() in own else token.text
        self._reading.names.append(Named(whose.sobject, path, token.place))
        return path

    def _whole_number(self) -> int:
        token = self.take()
        if token.kind != "number" or not token.text.isdigit():
            raise Unreadable("a whole number is expected", token.place)
        return min(int(token.text), 2**31 - 1)
