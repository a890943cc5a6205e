"""The Bayeux protocol as values: requests, replies, advice, errors."""

import orjson
import pytest

from listener.changes import bayeux
from listener.changes.bayeux import Advice, BadReply, Ending, Refusal


def meta(**members: object) -> bayeux.MetaReply:
    """One meta reply as it is read."""
    return bayeux.read_reply(orjson.dumps([{"channel": "/meta/connect", "id": "1"} | members])).meta[0]


def test_advice_is_merged() -> None:
    """What a reply does not say stays as it was."""
    advice = Advice().merged({"timeout": 5_000, "interval": 10})
    assert advice == Advice("retry", 10, 5_000)
    assert advice.merged({"reconnect": "handshake"}) == Advice("handshake", 10, 5_000)
    assert advice.merged(None) is advice
    assert advice.merged({"interval": 0}) == Advice("retry", 0, 5_000)


@pytest.mark.parametrize(
    "raw",
    [
        {"timeout": -1},
        {"timeout": 0},
        {"timeout": "5"},
        {"timeout": True},
        {"interval": None},
        {"reconnect": "now"},
        {"reconnect": []},
        [],
    ],
)
def test_advice_out_of_all_reason_changes_nothing(raw: object) -> None:
    """Neither does what is no advice."""
    assert Advice().merged(raw) == Advice()


def test_advice_is_bounded() -> None:
    """A server cannot put us to sleep for a day."""
    assert Advice().merged({"timeout": 10**9, "interval": 10**9}) == Advice("retry", 60_000, 600_000)


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("403::Unknown client", Refusal(403, "", "Unknown client")),
        ("403:denied_by_security_policy:create_denied", Refusal(403, "denied_by_security_policy", "create_denied")),
        ("400::The URI format: '/cometd/66.0'", Refusal(400, "", "The URI format: '/cometd/66.0'")),
        ("something else", Refusal(0, "", "something else")),
        ("401::two\nlines", Refusal(401, "", "two\nlines")),
    ],
)
def test_error_strings(text: str, refusal: Refusal) -> None:
    """`CODE:arguments:text`; whatever else it is, it is the text."""
    assert bayeux.read_error(text) == refusal


@pytest.mark.parametrize("raw", [None, "", 401, {}, []])
def test_no_error_string(raw: object) -> None:
    """What is no text is no error."""
    assert bayeux.read_error(raw) is None


@pytest.mark.parametrize(
    ("members", "ending"),
    [
        ({"error": "401::Authentication invalid"}, Ending.LOGIN),
        ({"error": "403::Unknown client", "advice": {"reconnect": "handshake"}}, Ending.UNKNOWN),
        ({"error": "403::Organization concurrent user limit exceeded"}, Ending.BUSY),
        ({"error": "403::Restricted channel"}, Ending.REFUSED),
        ({"error": "403::Handshake denied", "ext": {"sfdc": {"failureReason": "401::x"}}}, Ending.REFUSED),
        (
            {
                "channel": "/meta/handshake",
                "error": "403::Handshake denied",
                "ext": {"sfdc": {"failureReason": "401::Request requires authentication"}},
            },
            Ending.LOGIN,
        ),
        (
            {
                "channel": "/meta/handshake",
                "error": "403::Handshake denied",
                "ext": {"sfdc": {"failureReason": "503::Server is too busy."}},
            },
            Ending.BUSY,
        ),
        ({}, Ending.REFUSED),
    ],
)
def test_how_a_refusal_ends_the_session(members: dict[str, object], ending: Ending) -> None:
    """Only a 401 in the error, or in the reason of a denied handshake, means login."""
    reply = meta(**members)
    assert bayeux.ending_of(reply, Advice().merged(reply.advice)) is ending
    assert bayeux.asks_for_login(reply) is (ending is Ending.LOGIN)


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("400::The replayId {7} you provided was invalid.  Please provide a valid ID, -2 to replay all", True),
        ("400::The replay id {7} you provided was invalid.", True),
        ("400::The channel you requested to subscribe to does not exist /x", False),
        ("403::The replayId {7} is none of yours", False),
    ],
)
def test_a_refused_position(text: str, *, refused: bool) -> None:
    """A 400 that speaks of the replay id, and no other."""
    error = bayeux.read_error(text)
    assert error is not None
    assert bayeux.is_position_refused(error) is refused


def test_a_reply_is_read_in_order() -> None:
    """Events with their replay ids, meta messages with their parts; numbers beyond 2^53 whole."""
    body = (
        b'[{"channel":"/data/A","data":{"event":{"replayId":1},"payload":{"n":9007199254740993}}},'
        b'{"channel":"/meta/connect","id":4,"successful":true,"clientId":"c","ext":{"replay":true}},'
        b'{"channel":"/data/A","data":{"event":{"replayId":"opaque"}}},'
        b'{"channel":"/data/A","data":{"event":{"replayId":true}}},{"channel":"/data/A","data":7},'
        b'{"channel":"/data/A"},{"channel":"/data/A","successful":true}]'
    )
    reply = bayeux.read_reply(body)
    assert [delivery.replay_id for delivery in reply.deliveries] == [1, "opaque", None, None, None]
    assert reply.deliveries[0].data["payload"]["n"] == 9007199254740993
    assert {delivery.size for delivery in reply.deliveries} == {len(body) // 5}
    assert reply.to("4").client_id == "c"
    assert reply.to("4").replays
    with pytest.raises(BadReply):
        reply.to("5")


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b"[1]", b'[{"id":"1"}]', b'[{"channel":7}]', b"[" * 100_000])
def test_what_is_no_reply(body: bytes) -> None:
    """It says so, and never what it held."""
    with pytest.raises(BadReply) as caught:
        bayeux.read_reply(body)
    assert "html" not in str(caught.value)


def test_the_requests_as_salesforce_wants_them() -> None:
    """Frame by frame, with the replay extension as a map from channel to position."""
    assert bayeux.handshake("1") == {
        "channel": "/meta/handshake",
        "id": "1",
        "version": "1.0",
        "minimumVersion": "1.0",
        "supportedConnectionTypes": ["long-polling"],
        "ext": {"replay": True},
    }
    connect = {"channel": "/meta/connect", "id": "2", "clientId": "c", "connectionType": "long-polling"}
    assert bayeux.connect("2", "c") == connect
    assert bayeux.connect("2", "c", at_once=True) == connect | {"advice": {"timeout": 0}}
    assert bayeux.subscribe("3", "c", "/data/A", -2) == {
        "channel": "/meta/subscribe",
        "id": "3",
        "clientId": "c",
        "subscription": "/data/A",
        "ext": {"replay": {"/data/A": -2}},
    }
    assert bayeux.disconnect("4", "c") == {"channel": "/meta/disconnect", "id": "4", "clientId": "c"}
