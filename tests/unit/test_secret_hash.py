"""Hashes of passwords and API keys: as costly as RFC 9106 wants, and each checked at its own cost."""

from argon2.profiles import CHEAPEST

from adapters.encryption.secret_hash import SecretHashes


def test_a_hash_costs_what_the_rfc_recommends() -> None:
    """64 MiB, three passes, four lanes, unless somebody asks for less."""
    assert SecretHashes().hash("correct horse battery").startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert SecretHashes(CHEAPEST).hash("correct horse battery").startswith("$argon2id$v=19$m=8,t=1,p=1$")


def test_a_hash_is_checked_by_its_own_parameters() -> None:
    """Those that were made at another cost stay good."""
    cheap = SecretHashes(CHEAPEST).hash("correct horse battery")
    assert SecretHashes().verify(cheap, "correct horse battery")
    assert not SecretHashes().verify(cheap, "another")
    assert not SecretHashes().verify("no hash", "correct horse battery")
