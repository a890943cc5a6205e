"""Bends recorded inputs: some in their bytes, most in what they say. The same seed bends alike everywhere."""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

CORPUS: Final = Path(__file__).parent / "recorded"
LONGEST: Final = 1 << 20
"""Bytes: as long as a webhook's body may be."""

TOKENS: Final = (
    *(
        b"null",
        b"true",
        b"1e999.",
        b'"1e999."',
        b"{}",
        b"[]",
        b'""',
        b"-0",
        b"1e400",
        b"-1e400",
        b"NaN",
        b"Infinity",
        b"0.1e-400",
    ),
    *(
        b"9223372036854775808",
        b"18446744073709551616",
        b"9" * 400,
        b'"' + b"9" * 5_000 + b'"',
        b"1" + b"0" * 30 + b".5",
    ),
    *(
        b"\\ud800",
        b"\\udfff\\ud800",
        b"\\u0000",
        b"\xed\xa0\x80",
        b"\xff\xfe",
        b"\xc3",
        b"\xef\xbb\xbf",
        b"\x00",
        b"\r\n",
    ),
    *(b"[" * 400, b'{"a":' * 300, b"]", b"}", b'"', b"\\", b",", b":", b"/*", b"#N/A", b"\xe2\x80\xa8", b"&a [*a]"),
)
VALUES: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63), 2**64 - 1, 1e308, -1e308, 5e-324, 0.1),
    *(
        "",
        " ",
        "x" * 300,
        "x" * 40_000,
        "0",
        "-1",
        "1e999.",
        "9" * 5_000,
        "null",
        "#N/A",
        "a;b;;c",
        "2026-13-45",
        "9999-12-31T23:59:59Z",
    ),
    *(
        "0000-00-00",
        "0001-01-01T00:00:00+14:00",
        "Iași",
        "\u2028",
        "\x00",
        "\x1b[31m",
        "😀",
        "a:b",
        "../..",
        "$where",
        "a.b.c",
        "003*",
    ),
    *(
        "003000000000001",
        "003000000000001AAA",
        "000000000000000AAA",
        "_sync",
        "__proto__",
        "{}",
        "+1 555 0100",
        "%s%n",
        "-2",
    ),
    *(
        [],
        {},
        [None],
        [[]],
        ["a", 1, None],
        {"diff": "x"},
        {"diff": None},
        {"": ""},
        {"$set": 1},
        {"a": {"b": {"c": []}}},
        [{}] * 40,
    ),
)
KEYS: Final = (
    "",
    "id",
    "data",
    "fields",
    "_id",
    "_sync",
    "$where",
    "a.b",
    "\x00",
    "Name",
    "BillingAddress",
    "x" * 300,
    "__proto__",
)


def recorded(edge: str) -> list[bytes]:
    """What was recorded at an edge: a JSON text for each line."""
    lines = (CORPUS / f"{edge}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line).encode("utf-8", "surrogatepass") for line in lines]


def _places(holder: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a value of JSON, as the list or object that holds it, and its key there."""
    for key in list(holder) if isinstance(holder, dict) else range(len(holder)):
        yield holder, key
        if isinstance(holder[key], dict | list):
            yield from _places(holder[key])


class Mutator:
    """Bends `corpus`; `structured` where its texts are JSON."""

    def __init__(self, seed: int, corpus: Sequence[bytes], *, structured: bool = True) -> None:
        self.random = random.Random(seed)
        self._corpus = list(corpus)
        self._structured = structured
        self._parsed = [json.loads(text) for text in corpus] if structured else []

    def next(self) -> bytes:
        """The next input."""
        if self._structured and self.random.random() < 0.8:
            raw = self._bent_in_sense()
            return raw if self.random.random() < 0.9 else self._bent_in_bytes(raw)
        return self._bent_in_bytes(self.random.choice(self._corpus))

    def _bent_in_sense(self) -> bytes:
        root = [json.loads(json.dumps(self.random.choice(self._parsed)))]
        for _ in range(self.random.choice((1, 1, 1, 1, 2, 4))):
            self._bend(root)
        return json.dumps(root[0], ensure_ascii=self.random.random() < 0.5).encode("utf-8", "surrogatepass")

    def _bend(self, root: list[Any]) -> None:
        """Change one place of a value: each is as likely as any other, how deep it may stand."""
        holder, key = self.random.choice(list(_places(root)))
        match self.random.randrange(12):
            case 0 if isinstance(holder, dict):
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[self.random.choice(KEYS)] = holder.pop(key)
            case 2 if isinstance(holder, dict):
                holder[self.random.choice(KEYS)] = self._value()
            case 3:
                holder[key] = [holder[key]] * self.random.choice((1, 2, 30))
            case 4:
                holder[key] = {self.random.choice(KEYS): holder[key]}
            case 5:
                other: Any = self.random.choice(self._parsed)
                while isinstance(other, (dict, list)) and other and self.random.random() < 0.7:
                    other = self.random.choice(list(other.values()) if isinstance(other, dict) else other)
                holder[key] = json.loads(json.dumps(other))
            case 6 if isinstance(holder[key], str):
                holder[key] = self._text(holder[key])
            case _:
                holder[key] = self._value()

    def _value(self) -> Any:
        return json.loads(json.dumps(self.random.choice(VALUES)))

    def _text(self, text: str) -> str:
        at = self.random.randint(0, len(text))
        piece = self.random.choice(("", "\ud800", "\x00", ";", ":", "é", " ", text[:5], "9" * 20, "\n", '"', "*"))
        return text[:at] + piece + text[at + self.random.choice((0, 0, 1, 3)) :]

    def _bent_in_bytes(self, raw: bytes) -> bytes:
        made = bytearray(raw)
        for _ in range(self.random.choice((1, 1, 2, 3, 8))):
            self.random.choice(self._ways)(self, made)
        return bytes(made[:LONGEST])

    def _span(self, made: bytearray) -> tuple[int, int]:
        begin = self.random.randint(0, len(made))
        return begin, min(len(made), begin + self.random.choice((1, 1, 2, 8, 64)))

    def _flip(self, made: bytearray) -> None:
        if made:
            made[self.random.randrange(len(made))] ^= 1 << self.random.randrange(8)

    def _insert(self, made: bytearray) -> None:
        begin, _ = self._span(made)
        made[begin:begin] = self.random.choice(TOKENS)

    def _replace(self, made: bytearray) -> None:
        begin, end = self._span(made)
        made[begin:end] = self.random.choice(TOKENS)

    def _delete(self, made: bytearray) -> None:
        begin, end = self._span(made)
        del made[begin:end]

    def _repeat(self, made: bytearray) -> None:
        begin, end = self._span(made)
        made[begin:begin] = made[begin:end] * self.random.choice((1, 2, 50))

    def _cut(self, made: bytearray) -> None:
        del made[self.random.randint(0, len(made)) :]

    def _splice(self, made: bytearray) -> None:
        other = self.random.choice(self._corpus)
        begin, _ = self._span(made)
        made[begin:] = other[self.random.randint(0, len(other)) :]

    def _noise(self, made: bytearray) -> None:
        begin, end = self._span(made)
        made[begin:end] = self.random.randbytes(self.random.choice((1, 4, 16)))

    _ways: tuple[Callable[["Mutator", bytearray], None], ...] = (
        *(_flip, _flip, _insert, _replace, _replace, _delete, _repeat, _cut, _splice, _noise),
    )
