"""Secrets at rest: what is sealed opens with its key, in its place, and nowhere else."""

import base64
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.encryption.keyring import Keyring, key_of
from adapters.encryption.settings import EncryptionSettings, parse_keys
from ops.settings import read_each
from schemas.connection import CannotOpen

ONE, TWO = bytes(range(32)), bytes(range(32, 64))


def encoded(key: bytes) -> str:
    return base64.b64encode(key).decode()


@given(st.text(), st.text())
def test_what_is_sealed_opens_again(text: str, about: str) -> None:
    """Any text, in its own place; twice sealed looks different."""
    ring = Keyring({"one": ONE})
    sealed = ring.seal(text, about)
    assert ring.open(sealed, about) == text
    assert sealed != ring.seal(text, about)
    assert not text or len(text) < 4 or text not in sealed
    with pytest.raises(CannotOpen):
        ring.open(sealed, f"{about}x")


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_a_changed_byte_opens_nothing(place: int, change: int) -> None:
    """Wherever it is."""
    ring = Keyring({"one": ONE})
    head, _, body = ring.seal("5Aep861-refresh", "here").rpartition(":")
    raw = bytearray(base64.urlsafe_b64decode(body))
    raw[place % len(raw)] ^= change
    with pytest.raises(CannotOpen, match="here: the key one does not open it") as closed:
        ring.open(f"{head}:{base64.urlsafe_b64encode(bytes(raw)).decode()}", "here")
    assert "5Aep" not in str(closed.value)


def test_the_newest_key_seals_and_all_open() -> None:
    """The first is the newest; another key under an old id opens nothing, nor does an id that is not there."""
    old, new = Keyring({"one": ONE}), Keyring({"two": TWO, "one": ONE})
    sealed = old.seal("text", "here")
    assert (key_of(sealed), key_of(new.seal("text", "here"))) == ("one", "two")
    assert new.open(sealed, "here") == "text"
    with pytest.raises(CannotOpen, match="sealed with the key two, which ENCRYPTION_KEYS does not hold"):
        old.open(new.seal("text", "here"), "here")
    with pytest.raises(CannotOpen):
        Keyring({"one": TWO}).open(sealed, "here")


@pytest.mark.parametrize("sealed", ["", "text", "v1", "v1:one", "v1:one:", "v1:one:%%%", "v2:one:AAAA", "v1:one:é"])
def test_what_was_never_sealed_does_not_open(sealed: str) -> None:
    """It is refused, and no other error comes of it."""
    with pytest.raises(CannotOpen):
        Keyring({"one": ONE}).open(sealed, "here")


def test_keys_are_read_in_order() -> None:
    """In either alphabet of base64, with spaces around."""
    other = base64.urlsafe_b64encode(os.urandom(31) + b"\xff").decode()
    assert list(parse_keys(f" two:{encoded(TWO)} , one:{encoded(ONE)},three:{other},")) == ["two", "one", "three"]
    ring = EncryptionSettings(keys=f"two:{encoded(TWO)},one:{encoded(ONE)}").keyring()
    assert ring is not None
    assert ring.newest == "two"
    assert EncryptionSettings(keys="").keyring() is None


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (encoded(ONE), "ENCRYPTION_KEYS: key 1 must be `id:key`"),
        (f"one:{encoded(ONE)},a b:{encoded(TWO)}", "ENCRYPTION_KEYS: key 2 must be `id:key`"),
        ("one:hunter2!", "ENCRYPTION_KEYS: key 1 is not base64"),
        (f"one:{encoded(ONE[:16])}", "ENCRYPTION_KEYS: key 1 has 16 bytes; it must have 32"),
        (f"one:{encoded(ONE)},one:{encoded(TWO)}", "ENCRYPTION_KEYS: key 2 has an id that another one has"),
    ],
)
def test_a_wrong_key_is_told_by_its_place(
    keys: str, line: str, monkeypatch: pytest.MonkeyPatch, tmp_path: os.PathLike[str]
) -> None:
    """In one line that shows none of it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENCRYPTION_KEYS", keys)
    _, wrong = read_each(EncryptionSettings)
    (told,) = wrong
    assert told.startswith(line)
    assert encoded(ONE) not in told
    assert "hunter2" not in told
