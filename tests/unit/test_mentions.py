"""Which words of a note or a key name an erased person, and which are somebody else's."""

import pytest

from adapters.mongo.mentions import Mentions

LEAD = "00QdL0000000001AAA"
ANA = Mentions([("participant", "part-ana"), ("registration", "r1")], [LEAD], ["ana.pop+x@acme.example"])


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("for Ana.Pop+x@Acme.example.", "for [erased]."),
        ("anana.pop+x@acme.example", "anana.pop+x@acme.example"),
        ("ana.pop+x@acme.examples", "ana.pop+x@acme.examples"),
        (f"see {LEAD}, {LEAD[:15]}", "see [erased], [erased]"),
        (f"{LEAD[:14]}9AAA and {LEAD[:15]}BBB", f"{LEAD[:14]}9AAA and {LEAD[:15]}BBB"),
        ("participant:part-ana participant/part-ana participant part-ana", "[erased] [erased] [erased]"),
        ("part-ana", "[erased]"),
        ("part-anabel", "part-anabel"),
        ("r1 is a word of others, registration:r1 is not", "r1 is a word of others, [erased] is not"),
    ],
)
def test_which_words_go(text: str, without: str) -> None:
    """Whole words in whatever case; short ids only where their kind stands before them."""
    words = ANA.words()
    assert words is not None
    assert words.sub("[erased]", text) == without


def test_of_nobody_there_are_no_words() -> None:
    """An empty pattern would be found everywhere."""
    assert Mentions().words() is None
    assert Mentions([("registration", "r1")]).words() is not None
