"""The org's record ids."""

import pytest

from simulator.org import ids


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ("001000000000000", "001000000000000AAA"),
        ("0035g00000QrStU", "0035g00000QrStUAAV"),
        ("0055g000001MnOp", "0055g000001MnOpAAK"),
        ("7505g00000JobA1", "7505g00000JobA1AAJ"),
        ("ABCDEFGHIJKLMNO", "ABCDEFGHIJKLMNO555"),
    ],
)
def test_the_check_characters_are_salesforces(short: str, full: str) -> None:
    """Bit k of a block is set when its kth character is a capital; the reference's sample ids agree."""
    assert ids.to_18(short) == full
    assert ids.normalise(short) == full
    assert ids.normalise(full) == full


@pytest.mark.parametrize("text", ["", "003", "0035g00000QrStUAAA", "0035g00000QrSt-", "0035g00000QrStUAAV0", "é" * 15])
def test_what_is_no_id_is_refused(text: str) -> None:
    """Wrong length, wrong characters or a wrong check."""
    assert ids.normalise(text) is None


def test_ids_sort_as_they_are_given_and_are_never_given_twice() -> None:
    """Encoding keeps the order of numbers, and the number can be read back."""
    numbers = [1, 2, 61, 62, 63, 3843, 3844, 10**9]
    given = [ids.encode("003", number) for number in numbers]
    assert given == sorted(given)
    assert [ids.sequence_of(one) for one in given] == numbers
    assert all(ids.normalise(one) == one for one in given)
