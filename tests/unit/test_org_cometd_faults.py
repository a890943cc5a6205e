"""The stream's faults: each does what its name says, as often as it was armed, and counts what was lost."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from support.bayeux import CHANNEL, RawClient, StreamOrg, raw_client, replay_ids, stream_org

from simulator.org.cometd import FaultKind, StreamFault
from simulator.org.cometd.faults import StreamFaults
from simulator.org.cometd.sessions import Sessions

BROKEN = (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)


async def lost(client: RawClient, message: dict[str, Any]) -> bytes:
    """What arrived of a reply that must not arrive whole."""
    got = b""
    with pytest.raises(BROKEN):  # noqa: PT012 - the break may come at the head or in the body
        async with client.raw([message]) as response:
            async for chunk in response.content.iter_any():
                got += chunk
    return got


@pytest.mark.parametrize("kind", [FaultKind.CUT, FaultKind.LOSE])
async def test_a_reply_that_does_not_arrive_takes_its_events_along(kind: FaultKind) -> None:
    """The connection closes, the session lives on, and the events of that reply never come again in it."""
    async with stream_org() as org, raw_client(org) as client:
        await client.open()
        org.cometd.faults.arm(StreamFault(kind=kind, on=frozenset({"/meta/connect"}), with_events=True))
        assert (await client.connect())[-1]["successful"]
        gone = [change.replay_id for change in org.publish(5)]
        got = await lost(client, client.connect_message())
        assert bool(got) is (kind is FaultKind.CUT)
        kept = [change.replay_id for change in org.publish(2)]
        assert replay_ids(await client.connect()) == kept
        assert org.cometd.faults.struck[kind] == 1
        assert org.cometd.faults.lost_events == 5
        assert replay_ids(await client.open(gone[0])) == gone[1:] + kept


async def test_bad_json() -> None:
    """The reply is complete by its length and is no JSON; its events are gone."""
    async with stream_org() as org, raw_client(org) as client:
        await client.open()
        org.publish(2)
        org.cometd.faults.arm(StreamFault(kind=FaultKind.BAD_JSON))
        async with client.raw([client.connect_message()]) as response:
            assert response.status == 200
            with pytest.raises(json.JSONDecodeError):
                json.loads(await response.read())
        assert replay_ids(await client.connect()) == []


async def test_unavailable() -> None:
    """503 with HTML, for as many requests as armed; nothing is taken from the session."""
    async with stream_org() as org, raw_client(org) as client:
        await client.open()
        ids = [change.replay_id for change in org.publish(2)]
        org.cometd.faults.arm(StreamFault(kind=FaultKind.UNAVAILABLE, times=2))
        for _ in range(2):
            async with client.raw([client.connect_message()]) as response:
                assert response.status == 503
                assert response.content_type == "text/html"
        assert replay_ids(await client.connect()) == ids


async def test_a_stall_is_answered_late() -> None:
    """The request is silent for its seconds and then answered as if nothing had been."""
    async with stream_org() as org, raw_client(org) as client:
        await client.open()
        org.cometd.faults.arm(StreamFault(kind=FaultKind.STALL, seconds=0.3))
        (change,) = org.publish()
        began = asyncio.get_running_loop().time()
        assert replay_ids(await client.connect()) == [change.replay_id]
        assert asyncio.get_running_loop().time() - began >= 0.29


async def test_a_black_hole_hears_and_is_not_heard() -> None:
    """Within its seconds requests are carried out, no reply comes and connections close at its end."""
    async with stream_org() as org, raw_client(org) as client:
        await client.open()
        org.publish(3)
        org.cometd.faults.arm(StreamFault(kind=FaultKind.BLACK_HOLE, seconds=0.3))
        await asyncio.gather(lost(client, client.connect_message()), lost(client, {"channel": "/meta/handshake"}))
        assert org.cometd.faults.lost_events == 3
        assert org.cometd.faults.struck[FaultKind.BLACK_HOLE] == 2
        (change,) = org.publish()
        assert replay_ids(await client.connect()) == [change.replay_id]


async def test_denied_handshakes_and_refused_logins() -> None:
    """The next k handshakes are denied for the given reason; the next k good tokens are answered 401."""
    async with stream_org() as org, raw_client(org) as client:
        faults = org.cometd.faults
        faults.arm(StreamFault(kind=FaultKind.DENY_HANDSHAKE, times=2, reason="503::Server is too busy."))
        for _ in range(2):
            frame = await client.handshake()
            assert frame["error"] == "403::Handshake denied"
            assert frame["ext"]["sfdc"]["failureReason"] == "503::Server is too busy."
        await client.open()
        faults.arm(StreamFault(kind=FaultKind.UNAUTHORIZED, times=2))
        (reply,) = await client.connect()
        assert (reply["error"], reply["advice"]) == ("401::Authentication invalid", {"reconnect": "none"})
        frame = await client.handshake()
        assert frame["ext"]["sfdc"]["failureReason"] == "401::Authentication invalid"
        assert (await client.handshake())["successful"]


@pytest.mark.parametrize("cut", [False, True])
async def test_forgotten_sessions(*, cut: bool) -> None:
    """A restart: the held connect is told 403::Unknown client or cut, and the client must shake hands again."""
    async with stream_org(hold_seconds=60) as org, raw_client(org) as client:
        await client.open()
        (first,) = org.publish()
        await client.connect()
        held = asyncio.create_task(lost(client, client.connect_message()) if cut else client.connect())
        await org.holding()
        assert org.cometd.faults.forget_sessions(cut=cut) == 1
        outcome = await asyncio.wait_for(held, 30)
        assert cut or outcome[-1]["error"] == "403::Unknown client"
        (reply,) = await client.connect()
        assert reply["error"] == "403::Unknown client"
        (second,) = org.publish()
        assert replay_ids(await client.open(first.replay_id)) == [second.replay_id]


async def test_forgotten_replay_ids() -> None:
    """Ids given out before are refused, their events are not replayed, and later ones are."""
    async with stream_org() as org, raw_client(org) as client:
        old = org.publish(3)
        org.cometd.faults.forget_replay_ids()
        (reply,) = await client.open(old[1].replay_id)
        assert reply["error"].startswith(f"400::The replayId {{{old[1].replay_id}}} you provided was invalid.  Please")
        new = [change.replay_id for change in org.publish(2)]
        assert replay_ids(await client.subscribe(-2)) == new
        assert replay_ids(await client.subscribe(new[0])) == new[1:]


@pytest.mark.parametrize(
    ("advice", "told"),
    [("none", {"reconnect": "none"}), ("handshake", {"interval": 0, "reconnect": "handshake"}), (None, None)],
)
async def test_a_disconnect_by_the_server(advice: Any, told: object) -> None:
    """The held connect brings a /meta/disconnect with the advice, and the session is no more."""
    async with stream_org(hold_seconds=60) as org, raw_client(org) as client:
        await client.open()
        held = asyncio.create_task(client.connect())
        await org.holding()
        assert org.cometd.faults.disconnect_clients(advice) == 1
        disconnect, reply = await asyncio.wait_for(held, 30)
        assert disconnect["channel"] == "/meta/disconnect"
        assert disconnect["clientId"] == client.client_id
        assert disconnect.get("advice") == told
        assert reply["successful"]
        assert reply.get("advice") == told
        assert (await client.connect())[0]["error"] == "403::Unknown client"


async def test_an_interval_in_the_advice() -> None:
    """`advice.interval` is told in milliseconds, on every connect, also to sessions that are open."""
    async with stream_org() as org, raw_client(org) as client:
        await client.open()
        org.cometd.faults.advice_interval_ms = 200
        (reply,) = await client.connect()
        assert reply["advice"] == {"interval": 200, "timeout": 200, "reconnect": "retry"}


async def test_chance_comes_from_the_seed() -> None:
    """The same seed strikes the same requests; a fault without `times` goes on; `on` spares other channels."""
    async with stream_org() as org:

        def strikes(seed: int) -> list[bool]:
            faults = StreamFaults(Sessions(40), org.bus, seed=seed)
            faults.arm(StreamFault(kind=FaultKind.LOSE, times=None, probability=0.3, on=frozenset({CHANNEL})))
            return [faults.on_reply({CHANNEL, "/meta/connect"}, 1) is not None for _ in range(200)]

        assert strikes(7) == strikes(7)
        assert strikes(7) != strikes(8)
        assert 30 < sum(strikes(7)) < 90
        faults = StreamFaults(Sessions(40), org.bus)
        faults.arm(StreamFault(kind=FaultKind.LOSE, on=frozenset({CHANNEL})))
        assert faults.on_reply({"/meta/connect"}, 1) is None
        assert faults.on_reply({CHANNEL}, 1) is not None
        assert faults.on_reply({CHANNEL}, 1) is None


async def act(org: StreamOrg, client: RawClient, **action: Any) -> tuple[int, Any]:
    """The status and body of a POST to the admin route."""
    async with client.http.post(org.url("/admin/stream"), json=action) as response:
        return response.status, await response.json(content_type=None)


async def test_the_admin_route() -> None:
    """What a test calls in the process can be done from outside, and seen there."""
    async with stream_org(hold_seconds=60) as org, raw_client(org) as client:
        await client.open()
        fault = {"kind": "unavailable", "times": 3, "on": ["/meta/connect"]}
        assert await act(org, client, action="arm", fault=fault) == (200, {"affected": 1})
        async with client.raw([client.connect_message()]) as response:
            assert response.status == 503
        async with client.http.get(org.url("/admin/stream")) as response:
            shown = await response.json()
        assert shown["struck"] == {"unavailable": 1}
        assert [(each["kind"], each["left"]) for each in shown["armed"]] == [("unavailable", 2)]
        assert (shown["sessions"], shown["requests"]) == (1, 4)
        assert await act(org, client, action="clear") == (200, {"affected": 1})
        assert await act(org, client, action="reseed", seed=3) == (200, {"affected": 1})
        assert await act(org, client, action="advice_interval", milliseconds=5) == (200, {"affected": 1})
        assert org.cometd.faults.advice_interval_ms == 5
        assert await act(org, client, action="disconnect_clients", advice="handshake") == (200, {"affected": 1})
        await client.open()
        assert await act(org, client, action="forget_sessions", cut=True) == (200, {"affected": 1})
        (change,) = org.publish()
        assert await act(org, client, action="forget_replay_ids") == (200, {"affected": 1})
        assert not org.bus.knows(change.replay_id)


async def test_a_wrong_admin_action_is_refused() -> None:
    """An unknown action or member is a 400 that names the place."""
    async with stream_org() as org, raw_client(org) as client:
        status, problem = await act(org, client, action="arm", fault={"kind": "earthquake"})
        assert status == 400
        assert problem[0]["loc"] == ["arm", "fault", "kind"]
        assert (await act(org, client, action="dance"))[0] == 400


async def test_shutting_down_lets_everyone_go() -> None:
    """Held connects and silent lines do not delay the end of the server."""
    async with stream_org(hold_seconds=60) as org, raw_client(org) as client, raw_client(org) as other:
        await client.open()
        held = asyncio.create_task(lost(client, client.connect_message()))
        await org.holding()
        org.cometd.faults.arm(StreamFault(kind=FaultKind.STALL, seconds=60))
        stalled = asyncio.create_task(other.handshake())
        while not org.cometd.faults.struck:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        async with asyncio.timeout(30):
            await org.runner.cleanup()
            await held
            await stalled
