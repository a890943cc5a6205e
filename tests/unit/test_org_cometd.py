"""The simulated org's stream, frame by frame: replies, error texts, advice, replay, sessions, limits."""

import asyncio
from typing import Any

import pytest
from support.bayeux import BOB, CHANNEL, HANDSHAKE, ManualClock, raw_client, replay_ids, stream_org

UNSUPPORTED = (
    "400::Unsupported API version. Only API versions '37.0' and later are supported. URI format: '/cometd/66.0'"
)
INVALID_ID = (
    "400::The replayId {%s} you provided was invalid.  Please provide a valid ID, -2 to replay all events,"
    " or -1 to replay only new events."
)
NO_SUCH_CHANNEL = "400::The channel you requested to subscribe to does not exist "
TO_HANDSHAKE = {"interval": 0, "reconnect": "handshake"}


async def test_the_frames_of_a_good_session() -> None:
    """Handshake, first connect at once with advice, subscribe, a held connect with an event, disconnect."""
    async with stream_org() as org, raw_client(org) as client:
        frame = await client.handshake(id="1")
        assert frame == {
            "channel": "/meta/handshake",
            "id": "1",
            "version": "1.0",
            "minimumVersion": "1.0",
            "successful": True,
            "clientId": client.client_id,
            "supportedConnectionTypes": ["long-polling"],
            "ext": {"replay": True, "payload.format": True},
        }
        assert await client.connect(id="2") == [
            {
                "channel": "/meta/connect",
                "id": "2",
                "clientId": client.client_id,
                "successful": True,
                "advice": {"interval": 0, "timeout": 200, "reconnect": "retry"},
            }
        ]
        assert await client.subscribe() == [
            {
                "channel": "/meta/subscribe",
                "clientId": client.client_id,
                "successful": True,
                "subscription": CHANNEL,
            }
        ]
        held = asyncio.create_task(client.connect(id="4"))
        (change,) = org.publish()
        event, reply = await held
        assert event["channel"] == CHANNEL
        assert event["data"]["payload"] == change.payload
        assert event["data"]["event"] == {"replayId": change.replay_id}
        assert len(event["data"]["schema"]) == 22
        assert reply == {"channel": "/meta/connect", "id": "4", "clientId": client.client_id, "successful": True}
        (bye,) = await client.post({"channel": "/meta/disconnect", "clientId": client.client_id, "id": "5"})
        assert bye == {"channel": "/meta/disconnect", "id": "5", "clientId": client.client_id, "successful": True}
        (gone,) = await client.connect()
        assert gone["error"] == "403::Unknown client"


async def test_a_connect_with_nothing_to_tell_is_answered_when_its_time_is_up() -> None:
    """An idle poll ends with a plain success after advice.timeout, or sooner where the client asks for it."""
    async with stream_org(hold_seconds=0.3) as org, raw_client(org) as client:
        await client.open()
        began = asyncio.get_running_loop().time()
        (reply,) = await client.connect()
        assert reply["successful"]
        assert asyncio.get_running_loop().time() - began >= 0.29
    async with stream_org(hold_seconds=60) as org, raw_client(org) as client:
        await client.open()
        (reply,) = await client.connect(advice={"timeout": 0})
        assert reply["successful"]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/cometd", "400::API version in the URI is mandatory. URI format: '/cometd/66.0'"),
        ("/cometd/", "400::API version in the URI is mandatory. URI format: '/cometd/66.0'"),
        ("/cometd/36.0", UNSUPPORTED),
        ("/cometd/v60.0", UNSUPPORTED),
        ("/cometd/99.0", UNSUPPORTED),
        ("/cometd/37.0", None),
        ("/cometd/60.0/", None),
        ("/cometd/67.0", None),
    ],
)
async def test_the_version_in_the_address(path: str, reason: str | None) -> None:
    """Versions 37.0 to 67.0 are served; others are refused at the handshake with their text."""
    async with stream_org() as org, raw_client(org) as client:
        (frame,) = await client.post(HANDSHAKE, path=path)
        if reason is None:
            assert frame["successful"]
        else:
            assert frame["error"] == "403::Handshake denied"
            assert frame["ext"]["sfdc"]["failureReason"] == reason
            assert frame["advice"] == {"reconnect": "none"}
            (other,) = await client.post({"channel": "/meta/connect", "clientId": "x"}, path=path)
            assert other["error"] == reason


@pytest.mark.parametrize(
    ("authorization", "reason"),
    [
        (None, "401::Request requires authentication"),
        ("Basic abc", "401::Request requires authentication"),
        ("Bearer wrong", "401::Authentication invalid"),
        ("OAuth {token}", None),
        ("Bearer {token}", None),
    ],
)
async def test_a_handshake_needs_a_live_token(authorization: str | None, reason: str | None) -> None:
    """Without one the handshake is denied, the 401 stands in `ext.sfdc.failureReason`, and the advice is none."""
    async with stream_org() as org, raw_client(org) as client:
        token, client.token = client.token, None
        if authorization is not None:
            client.headers["Authorization"] = authorization.format(token=token)
        frame = await client.handshake()
        assert frame["successful"] is (reason is None)
        if reason is not None:
            assert frame["error"] == "403::Handshake denied"
            assert frame["advice"] == {"reconnect": "none"}
            assert frame["ext"] == {"sfdc": {"failureReason": reason}, "replay": True, "payload.format": True}


async def test_a_client_without_long_polling_is_refused() -> None:
    """Only long polling is offered, at the handshake and at each connect."""
    async with stream_org() as org, raw_client(org) as client:
        frame = await client.handshake(supportedConnectionTypes=["websocket"])
        assert frame["ext"]["sfdc"]["failureReason"] == "400::Invalid connection type websocket"
        await client.handshake()
        (reply,) = await client.connect(connectionType="callback-polling")
        assert reply["error"] == "400::Invalid connection type callback-polling"


@pytest.mark.parametrize(
    ("message", "error", "advice"),
    [
        ({"channel": "/meta/connect"}, "403::Client has not completed handshake", TO_HANDSHAKE),
        ({"channel": "/meta/connect", "clientId": "nobody"}, "403::Unknown client", TO_HANDSHAKE),
        ({"channel": "/meta/subscribe", "clientId": "nobody"}, "403::Unknown client", TO_HANDSHAKE),
        ({"channel": "/meta/ping", "clientId": "{id}"}, "404::Unknown channel", None),
        (
            {"channel": CHANNEL, "clientId": "{id}", "data": {}},
            "403:denied_by_security_policy:publish_denied",
            None,
        ),
        ({"clientId": "{id}"}, "400::Channel name not specified", None),
        ({"channel": "/meta/unsubscribe", "clientId": "{id}"}, "400::Channel name not specified", None),
    ],
)
async def test_messages_that_are_refused(message: dict[str, Any], error: str, advice: object) -> None:
    """Each wrong message has its own text; a lost session is sent back to the handshake."""
    async with stream_org() as org, raw_client(org) as client:
        await client.handshake()
        ready = {name: client.client_id if value == "{id}" else value for name, value in message.items()}
        (reply,) = await client.post(ready | {"id": "9"})
        assert reply["successful"] is False
        assert reply["error"] == error
        assert reply["id"] == "9"
        assert reply.get("advice") == advice


@pytest.mark.parametrize(
    ("channel", "error"),
    [
        (CHANNEL, None),
        ("/data/ChangeEvents", None),
        ("/data/Seat__ChangeEvent", None),
        ("/data/Sales__chn", None),
        (
            "/data/LeadChangeEvent",
            "400::The channel you requested to subscribe to does not exist /data/LeadChangeEvent",
        ),
        (
            "/data/contactchangeevent",
            "400::The channel you requested to subscribe to does not exist /data/contactchangeevent",
        ),
        ("/topic/Some", "400::The channel you requested to subscribe to does not exist /topic/Some"),
        ("/other", "403:denied_by_security_policy:create_denied"),
        ("data/ChangeEvents", "400::Channel subscriptions must start with a leading '/'"),
        ("", "400::Channel name not specified"),
        ("/data/*", "403::Restricted channel"),
        ("/meta/connect", "403::Restricted channel"),
    ],
)
async def test_channels(channel: str, error: str | None) -> None:
    """The org's channels, and what an unknown one is told; a refused one leaves the session as it was."""
    async with (
        stream_org(entities=("Contact", "Seat__c"), custom_channels={"Sales__chn": ("Lead",)}) as org,
        raw_client(org) as client,
    ):
        await client.handshake()
        (reply,) = await client.subscribe(channel=channel)
        assert reply["subscription"] == channel
        assert reply.get("error") == error
        assert reply["successful"] is (error is None)
        assert (await client.connect())[-1]["successful"]


async def test_each_channel_carries_its_own_objects() -> None:
    """An event comes once for each subscribed channel that carries its object, in replay order."""
    async with (
        stream_org(entities=("Contact", "Seat__c"), custom_channels={"Sales__chn": ("Lead", "Contact")}) as org,
        raw_client(org) as client,
    ):
        await client.open(channel="/data/ChangeEvents")
        await client.subscribe(channel="/data/Sales__chn")
        names = ("Contact", "Lead", "Seat__c")
        ids = {name: org.publish(entity=name)[0].replay_id for name in names}
        frames = await client.connect()
        assert [(frame["channel"], frame["data"]["event"]["replayId"]) for frame in frames[:-1]] == [
            ("/data/ChangeEvents", ids["Contact"]),
            ("/data/Sales__chn", ids["Contact"]),
            ("/data/Sales__chn", ids["Lead"]),
            ("/data/ChangeEvents", ids["Seat__c"]),
        ]


@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize("on_subscribe", [False, True])
@pytest.mark.parametrize(("replay", "expected"), [("third", 2), (-2, 5), (-1, 0), (None, 0), ("last", 0)])
async def test_replay(*, replay: object, expected: int, as_text: bool, on_subscribe: bool) -> None:
    """After a stored id, all retained, only new; numbers and numeric texts; on the subscribe reply or on a connect."""
    async with stream_org(events_on_subscribe_reply=on_subscribe) as org, raw_client(org) as client:
        ids = [change.replay_id for change in org.publish(5)]
        asked = {"third": ids[2], "last": ids[4]}.get(str(replay), replay)
        frames = await client.open(str(asked) if as_text and asked is not None else asked)
        assert frames[-1]["successful"]
        assert not replay_ids(frames) or on_subscribe
        if expected and not on_subscribe:
            frames = await client.connect()
        assert replay_ids(frames) == ids[5 - expected :]
        new = [change.replay_id for change in org.publish(2)]
        assert replay_ids(await client.connect()) == new


@pytest.mark.parametrize("replay", [1, -3, "abc", True, [], "9" * 25])
async def test_an_unknown_replay_id_is_refused(replay: object) -> None:
    """The text names the id and has two spaces; the session lives on and may ask for all."""
    async with stream_org() as org, raw_client(org) as client:
        ids = [change.replay_id for change in org.publish(3)]
        (reply,) = await client.open(replay)
        assert reply["successful"] is False
        assert reply["error"] == INVALID_ID % replay
        frames = await client.subscribe(-2)
        assert replay_ids(frames) == ids


async def test_an_unsubscribed_channel_is_silent() -> None:
    """After /meta/unsubscribe no event of the channel comes."""
    async with stream_org() as org, raw_client(org) as client:
        await client.open()
        (reply,) = await client.post(
            {"channel": "/meta/unsubscribe", "clientId": client.client_id, "subscription": CHANNEL}
        )
        assert reply["successful"]
        assert reply["subscription"] == CHANNEL
        org.publish()
        assert replay_ids(await client.connect()) == []


async def test_a_batch_of_messages_in_one_request() -> None:
    """Subscribe and connect in one array are answered together, the events first; a bare object is tolerated."""
    async with stream_org() as org, raw_client(org) as client:
        ids = [change.replay_id for change in org.publish(2)]
        async with client.raw(HANDSHAKE) as response:
            client.client_id = (await response.json())[0]["clientId"]
        subscribe = {
            "channel": "/meta/subscribe",
            "clientId": client.client_id,
            "subscription": [CHANNEL, "/data/ChangeEvents"],
            "ext": {"replay": {CHANNEL: -2}},
        }
        frames = await client.post(subscribe, client.connect_message())
        assert replay_ids(frames) == ids
        assert [frame["channel"] for frame in frames[2:]] == ["/meta/subscribe", "/meta/connect"]


async def test_a_backlog_comes_in_batches() -> None:
    """Never more than the batch size in one reply; all of it in order over several."""
    async with stream_org(batch_size=4) as org, raw_client(org) as client:
        ids = [change.replay_id for change in org.publish(10)]
        replies = [await client.open(-2), await client.connect(), await client.connect()]
        assert [len(replay_ids(frames)) for frames in replies] == [4, 4, 2]
        assert [each for frames in replies for each in replay_ids(frames)] == ids


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (b"[" + b" " * 32_766 + b"]", 400, "not an array of messages"),
        (b"[" + b" " * 32_767 + b"]", 413, "Maximum Request Size Exceeded"),
        (b"nonsense", 400, "not JSON: position 0"),
        (b"[1]", 400, "not an array of messages"),
    ],
)
async def test_bodies_that_are_no_bayeux(body: bytes, status: int, text: str) -> None:
    """32,768 bytes are allowed, one more is not; what is not an array of objects is a bad request."""
    async with stream_org() as org, raw_client(org) as client:
        async with client.http.post(org.url(), data=body) as response:
            assert (response.status, await response.text()) == (status, text)

        async def in_pieces() -> Any:
            yield body

        async with client.http.post(org.url(), data=in_pieces()) as response:
            assert (response.status, await response.text()) == (status, text)


async def test_the_cookie_stays_with_the_session() -> None:
    """A request without the cookie is told so; one with another browser's cookie is an unknown client."""
    async with stream_org() as org, raw_client(org, cookies=False) as client:
        await client.handshake()
        (reply,) = await client.connect()
        assert reply["error"] == (
            f"400::Client {client.client_id} has established a session, but no BAYEUX_BROWSER cookie present"
        )
        client.headers["Cookie"] = "BAYEUX_BROWSER=another"
        (reply,) = await client.connect()
        assert reply["error"] == "403::Unknown client"


async def test_a_session_belongs_to_its_user() -> None:
    """A token of another user is refused, a second token of the same user is not."""
    async with stream_org() as org, raw_client(org) as client:
        await client.open()
        client.token = org.login(BOB)
        (reply,) = await client.connect()
        assert reply["error"] == "400::Authenticated user id does not match the session's user id"
        client.token = org.login()
        assert (await client.connect())[-1]["successful"]


@pytest.mark.parametrize("kept", [False, True])
async def test_a_token_revoked_while_a_connect_is_held(*, kept: bool) -> None:
    """The held connect ends at once with 401 and advice none; whether the session is kept is a setting."""
    async with stream_org(hold_seconds=60, keep_session_on_401=kept) as org, raw_client(org) as client:
        await client.open()
        held = asyncio.create_task(client.connect())
        await org.holding()
        assert org.tokens.revoke(str(client.token))
        (reply,) = await asyncio.wait_for(held, 30)
        assert (reply["error"], reply["advice"]) == ("401::Authentication invalid", {"reconnect": "none"})
        client.token = org.login()
        assert (await client.connect(advice={"timeout": 0}))[-1]["successful"] is kept


async def test_a_dead_token_at_the_connect() -> None:
    """A connect that comes with a dead token is answered 401 with advice none."""
    async with stream_org() as org, raw_client(org) as client:
        await client.open()
        org.tokens.revoke_all()
        (reply,) = await client.connect()
        assert (reply["error"], reply["advice"]) == ("401::Authentication invalid", {"reconnect": "none"})


async def test_a_session_that_stays_away_is_dropped() -> None:
    """40 s after a reply without a connect the client is unknown; with one just before, it is not."""
    clock = ManualClock()
    async with stream_org(clock, session_seconds=40) as org, raw_client(org) as client:
        await client.open()
        for _ in range(3):
            clock.seconds += 39.9
            assert (await client.connect())[-1]["successful"]
        clock.seconds += 40.1
        (reply,) = await client.connect()
        assert (reply["error"], reply["advice"]) == ("403::Unknown client", TO_HANDSHAKE)


async def test_a_held_connect_keeps_its_session() -> None:
    """The time while a connect is held does not count as staying away."""
    clock = ManualClock()
    async with stream_org(clock, session_seconds=40, hold_seconds=60) as org, raw_client(org) as client:
        await client.open()
        held = asyncio.create_task(client.connect())
        await org.holding()
        clock.seconds += 100
        assert len(org.cometd.sessions) == 1
        (change,) = org.publish()
        assert replay_ids(await held) == [change.replay_id]


async def test_a_second_connect_takes_the_place_of_the_first() -> None:
    """The older of two connects of one client is let go with 408; the newer gets the events."""
    async with stream_org(hold_seconds=60) as org, raw_client(org) as client:
        await client.open()

        async def first() -> int:
            async with client.raw([client.connect_message()]) as response:
                return int(response.status)

        older = asyncio.create_task(first())
        await org.holding()
        newer = asyncio.create_task(client.connect())
        assert await asyncio.wait_for(older, 30) == 408
        (change,) = org.publish()
        assert replay_ids(await newer) == [change.replay_id]


async def test_a_disconnect_lets_the_held_connect_go() -> None:
    """Leaving while a connect is held answers that connect with advice none."""
    async with stream_org(hold_seconds=60) as org, raw_client(org) as client:
        await client.open()
        held = asyncio.create_task(client.connect())
        await org.holding()
        await client.post({"channel": "/meta/disconnect", "clientId": client.client_id})
        (reply,) = await asyncio.wait_for(held, 30)
        assert reply["advice"] == {"reconnect": "none"}


async def test_the_number_of_clients_is_limited() -> None:
    """One client too many is denied, and let in once another has left."""
    async with stream_org(maximum_clients=1) as org, raw_client(org) as one, raw_client(org) as two:
        await one.handshake()
        frame = await two.handshake()
        assert frame["error"] == "403::Handshake denied"
        assert frame["ext"]["sfdc"]["failureReason"] == "403::Organization concurrent user limit exceeded"
        await one.post({"channel": "/meta/disconnect", "clientId": one.client_id})
        assert (await two.handshake())["successful"]


async def test_event_deliveries_are_counted_and_end() -> None:
    """Every delivery to every client counts; when none is left the connect is refused, and the next day it goes on."""
    clock = ManualClock()
    async with (
        stream_org(clock, daily_deliveries=5) as org,
        raw_client(org) as one,
        raw_client(org) as two,
    ):
        ids = [change.replay_id for change in org.publish(3)]
        assert replay_ids(await one.open(-2)) == ids
        assert replay_ids(await two.open(-2)) == ids[:2]
        assert org.cometd.allocation.remaining() == 0
        (reply,) = await two.connect()
        assert reply["error"] == "403::Organization total events daily limit exceeded"
        assert reply["advice"] == {"reconnect": "none"}
        clock.seconds += 24 * 3600
        assert replay_ids(await two.open(ids[1])) == ids[2:]


async def test_a_client_that_left_takes_its_events_along() -> None:
    """The server does not notice that a held connect's client is gone: what comes meanwhile is lost to the session."""
    async with stream_org(hold_seconds=60) as org, raw_client(org) as client:
        await client.open()
        (known,) = org.publish()
        await client.connect()
        held = asyncio.create_task(client.connect())
        await org.holding()
        held.cancel()
        await asyncio.gather(held, return_exceptions=True)
        gone = [change.replay_id for change in org.publish(2)]
        async with asyncio.timeout(30):
            while org.cometd.sessions.live()[0].hold is not None:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        kept = [change.replay_id for change in org.publish()]
        assert replay_ids(await client.connect()) == kept
        assert replay_ids(await client.open(known.replay_id)) == gone + kept
