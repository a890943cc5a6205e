"""Standard Webhooks verification, judged by the vectors of, and against, the released `standardwebhooks`."""

import base64
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook as Reference

from listener.webhook.signature import Attempt, BadSecret, Unverified, decode_secret, verify

# The released package's own vector.
VECTOR_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
VECTOR_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
VECTOR_TIME = 1614265330
VECTOR_BODY = b'{"test": 2432232314}'
VECTOR_SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
WRONG = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="
OTHER = f"whsec_{base64.b64encode(bytes(32)).decode()}"


def check(
    *,
    secrets: tuple[str, ...] = (VECTOR_SECRET,),
    body: bytes = VECTOR_BODY,
    webhook_id: str | None = VECTOR_ID,
    timestamp: str | None = str(VECTOR_TIME),
    signature: str | None = VECTOR_SIGNATURE,
    now: float = VECTOR_TIME,
) -> Attempt:
    return verify(
        secrets=[decode_secret(secret) for secret in secrets],
        body=body,
        webhook_id=webhook_id,
        webhook_timestamp=timestamp,
        webhook_signature=signature,
        now=now,
    )


def test_the_published_vector_verifies() -> None:
    """What the released package signs in its own test is accepted, with its id and time."""
    assert check() == Attempt(VECTOR_ID, VECTOR_TIME)


@pytest.mark.parametrize("secret", [VECTOR_SECRET, VECTOR_SECRET.removeprefix("whsec_"), f" {VECTOR_SECRET} "])
def test_the_prefix_of_a_secret_is_optional(secret: str) -> None:
    """A secret is the same with `whsec_` and without."""
    assert check(secrets=(secret,)).id == VECTOR_ID


def test_a_secret_needs_no_padding() -> None:
    """Base64 cut of its `=`, as some dashboards show it, is the same key."""
    key = bytes(range(25))
    assert decode_secret(base64.b64encode(key).decode().rstrip("=")) == key


def test_one_good_signature_among_several_is_enough() -> None:
    """A sender that rotates signs with old and new; signatures of other versions are passed over."""
    both = f"{WRONG} v2,{VECTOR_SIGNATURE[3:]} {VECTOR_SIGNATURE} v1a,x {WRONG}"
    assert check(signature=both).id == VECTOR_ID


@pytest.mark.parametrize("secrets", [(OTHER, VECTOR_SECRET), (VECTOR_SECRET, OTHER)])
def test_either_of_two_secrets_is_enough(secrets: tuple[str, ...]) -> None:
    """While we rotate, the old secret and the new one are both good."""
    assert check(secrets=secrets).id == VECTOR_ID


@pytest.mark.parametrize(
    "signature",
    [
        WRONG,
        VECTOR_SIGNATURE.replace("v1", "v2"),
        VECTOR_SIGNATURE.replace("v1", "v1a"),
        VECTOR_SIGNATURE[3:],
        f"v1,{VECTOR_SIGNATURE}",
        VECTOR_SIGNATURE[:-1],
        VECTOR_SIGNATURE.lower(),
        "v1,",
        "v1",
        ",",
        " ",
        "",
        None,
        "v1,\udcff",
    ],
)
def test_no_other_signature_verifies(signature: str | None) -> None:
    """Another, cut, doubled or empty signature, or one of another version, is refused."""
    with pytest.raises(Unverified, match=r"^webhook-signature: "):
        check(signature=signature)


def test_every_byte_of_the_body_is_signed() -> None:
    """One more space is another body."""
    with pytest.raises(Unverified):
        check(body=VECTOR_BODY + b" ")


@pytest.mark.parametrize(("change", "value"), [("webhook_id", "msg_other"), ("timestamp", str(VECTOR_TIME + 1))])
def test_id_and_time_are_signed(change: str, value: str) -> None:
    """Neither header can be changed on the way."""
    with pytest.raises(Unverified, match="webhook-signature"):
        check(**{change: value})


@pytest.mark.parametrize("webhook_id", [None, "", "a b", "a\x00b", "a\nb", "é", "x" * 201])
def test_an_id_is_visible_ascii(webhook_id: str | None) -> None:
    """An id becomes a header, a key and a row's name, so it must be fit for them."""
    with pytest.raises(Unverified, match=r"^webhook-id: "):
        check(webhook_id=webhook_id)


@pytest.mark.parametrize("timestamp", [None, "", "hello", "1614265330.0", "-1614265330", "+1614265330", "٣", "1" * 13])
def test_a_time_is_whole_seconds(timestamp: str | None) -> None:
    """Anything but digits is no time."""
    with pytest.raises(Unverified, match=r"^webhook-timestamp: "):
        check(timestamp=timestamp)


@pytest.mark.parametrize("off", [-300, -299.5, 0, 299.5, 300])
def test_five_minutes_either_way_are_good(off: float) -> None:
    """The sender's clock may be off by five minutes."""
    assert check(now=VECTOR_TIME + off).sent_at == VECTOR_TIME


@pytest.mark.parametrize(("off", "said"), [(-300.001, "ahead"), (300.001, "ago")])
def test_beyond_five_minutes_is_refused(off: float, said: str) -> None:
    """An old delivery may be a replay; one from the future is no better."""
    with pytest.raises(Unverified, match=said):
        check(now=VECTOR_TIME + off)


@pytest.mark.parametrize("secrets", [[], [b""], [b"x" * 32, b""]])
def test_no_secret_verifies_nothing(secrets: list[bytes]) -> None:
    """An empty secret would let anyone sign, so it is an error of ours and not an answer."""
    with pytest.raises(ValueError, match="no secret"):
        verify(
            secrets=secrets,
            body=VECTOR_BODY,
            webhook_id=VECTOR_ID,
            webhook_timestamp=str(VECTOR_TIME),
            webhook_signature=VECTOR_SIGNATURE,
            now=VECTOR_TIME,
        )


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ("", "is empty"),
        ("whsec_", "is empty"),
        ("  ", "is empty"),
        ("whsec_====", "is empty"),
        ("whsec_not base64 at all!", "is not base64"),
        ("whsec_é", "is not base64"),
        ("whsec_" + base64.b64encode(b"x" * 23).decode(), "too short: 23 bytes"),
        ("whsec_" + base64.b64encode(b"x" * 65).decode(), "too long: 65 bytes"),
    ],
)
def test_a_bad_secret_is_named_and_not_shown(secret: str, said: str) -> None:
    """The message says what is wrong and holds no part of the secret."""
    with pytest.raises(BadSecret, match=said) as caught:
        decode_secret(secret)
    assert not secret.strip() or secret.strip() not in str(caught.value)


def test_what_the_released_package_signs_now_verifies() -> None:
    """A sender built on the released package is understood, also with text beyond ASCII."""
    body = '{"type":"customer.updated","data":{"id":"1","fields":{"last_name":"Ștefănescu"}}}'
    at = datetime.now(UTC)
    signature = Reference(VECTOR_SECRET).sign("msg_1", at, body)
    sent_at = int(at.timestamp())
    attempt = check(
        body=body.encode(), webhook_id="msg_1", timestamp=str(sent_at), signature=signature, now=at.timestamp()
    )
    assert attempt == Attempt("msg_1", sent_at)
