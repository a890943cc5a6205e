"""The CometD client in every case that broke the ones before it; numbers as in the table of cases.

Each test counts what was lost, doubled and out of order: nothing ever is.
"""

import asyncio
from typing import Any

import pytest
from support.fakes_changes import NO_FAULTS, Rig, count_faults, eventually, rig, running
from support.scripted_bayeux import CHANGES, Act, ScriptedBayeux, scripted_bayeux

from listener.changes.health import State
from schemas.stream import EARLIEST, ReplayId

CONNECT, HANDSHAKE, SUBSCRIBE = "/meta/connect", "/meta/handshake", "/meta/subscribe"


async def listening(server: ScriptedBayeux) -> None:
    """The client's connect is held: it is subscribed and waits."""
    await eventually(lambda: server.held)


async def comes(work: Rig, ids: list[int]) -> None:
    """These events come, and nothing is wrong with what came."""
    await work.until(len(ids))
    assert count_faults(work.ids, ids) == NO_FAULTS


async def strike(server: ScriptedBayeux, act: Act) -> list[int]:
    """Publish one event that arrives and five whose reply is lost by `act`; their ids."""
    await listening(server)
    server.script(CONNECT, act)
    ids = server.publish(1)
    await eventually(lambda: not server.scripted())
    await listening(server)
    ids += server.publish(5)
    await eventually(lambda: server.lost_events == 5)
    return ids


def starts(message: dict[str, Any]) -> bool:
    """True for the first request of a session."""
    return message["channel"] == HANDSHAKE


def positions_asked(server: ScriptedBayeux) -> list[ReplayId]:
    """The replay ids of all subscriptions so far."""
    return [message["ext"]["replay"][CHANGES] for message in server.asked if message["channel"] == SUBSCRIBE]


def test_case_1_a_client_is_made_outside_a_loop() -> None:
    """Making a client starts nothing and needs no running loop; every warning is an error here."""
    assert rig("http://127.0.0.1:9").health.counts == {}


async def test_case_1b_the_cookie_of_an_ip_address_is_kept() -> None:
    """The session's cookie is sent back to an IP address as well, and not beyond the session."""
    async with scripted_bayeux() as server, running(server.url) as work:
        await listening(server)
        server.forget_sessions()
        await eventually(lambda: server.requests[HANDSHAKE] == 2 and server.held)
        assert work.health.counts["sessions"] == 2
    handshakes = [cookie for cookie, message in zip(server.cookies, server.asked, strict=True) if starts(message)]
    others = [cookie for cookie, message in zip(server.cookies, server.asked, strict=True) if not starts(message)]
    assert handshakes == ["", ""]
    assert len(set(others)) == 2
    assert "" not in others


async def test_case_1c_a_failed_start_does_not_hammer_and_can_be_ended() -> None:
    """With nobody there each try waits longer than the one before, up to the cap; after the end there is none."""
    pauses: list[float] = []
    enough = asyncio.Event()

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 8:
            enough.set()
            await asyncio.Event().wait()

    async with scripted_bayeux() as server:
        url = server.url
        await server.stop()
        work = rig(url, pause=pause, backoff_seconds=1, backoff_cap_seconds=16)
        work.run()
        async with asyncio.timeout(30):
            await enough.wait()
        assert all(2**n / 2 <= wait <= min(2**n, 16) for n, wait in enumerate(pauses[:5]))
        assert all(8 <= wait <= 16 for wait in pauses[5:])
        await work.stop()
        await server.start()
        await asyncio.sleep(0.05)
        assert server.asked == []


async def test_case_1d_the_same_client_runs_again() -> None:
    """A client that was stopped can be run again, from wherever it is told."""
    async with scripted_bayeux() as server:
        ids = server.publish(4)
        work = rig(server.url)
        work.run()
        await work.until(4)
        await work.stop()
        assert server.requests["/meta/disconnect"] == 1
        work.taken.clear()
        work.run({CHANGES: ids[1]})
        await comes(work, ids[2:])
        await work.stop()


async def test_case_2_ten_thousand_live_events() -> None:
    """10,000 events in batches of 500: all, in order, once."""
    async with scripted_bayeux() as server, running(server.url) as work:
        await listening(server)
        ids: list[int] = []
        for _ in range(20):
            ids += server.publish(500)
            await work.until(len(ids))
        await comes(work, ids)


@pytest.mark.parametrize("on_subscribe", [False, True], ids=["2b_on_connect", "2c_on_the_subscribe_reply"])
async def test_case_2b_2c_a_backlog_of_ten_thousand(*, on_subscribe: bool) -> None:
    """It comes whole, wherever the server puts it; no reply waits for the consumer."""
    async with scripted_bayeux(events_on_subscribe=on_subscribe, reply_limit=2_000) as server:
        ids = server.publish(10_000)
        async with running(server.url) as work:
            await eventually(lambda: len(work.buffer) == 10_000)
            await comes(work, ids)


@pytest.mark.parametrize("on_subscribe", [False, True])
async def test_case_3_a_restart_from_a_position(*, on_subscribe: bool) -> None:
    """From a position: exactly what was missed. From none: everything there is. Never -1."""
    async with scripted_bayeux(events_on_subscribe=on_subscribe) as server:
        ids = server.publish(120)
        async with running(server.url, {CHANGES: ids[19]}) as work:
            await comes(work, ids[20:])
        async with running(server.url) as work:
            await comes(work, ids)
        assert positions_asked(server) == [ids[19], EARLIEST]


async def test_case_3b_only_the_application_says_what_is_done() -> None:
    """Events taken and not finished before a crash come again: the client stores no position of its own."""
    async with scripted_bayeux() as server:
        ids = server.publish(20)
        async with running(server.url) as work:
            await work.until(20)
            done = work.ids[7]
        async with running(server.url, {CHANGES: done}) as work:  # type: ignore[dict-item]
            await comes(work, ids[8:])


async def test_case_3c_a_session_lost_before_the_first_event() -> None:
    """Nothing received yet: what is published until the next subscription comes too."""
    async with scripted_bayeux() as server, running(server.url) as work:
        await listening(server)
        server.script(CONNECT, server.lose)
        await eventually(lambda: not server.scripted())
        await listening(server)
        ids = server.publish(5)
        await comes(work, ids)
        assert server.lost_events == 5


async def test_case_4_an_expired_position_at_the_start() -> None:
    """The consumer is told, nothing is subscribed to meanwhile, and it says where to go on."""
    async with scripted_bayeux() as server:
        old = server.publish(3)
        server.forget_events()
        async with running(server.url, {CHANGES: old[1]}) as work:
            await eventually(lambda: work.take() or work.refused)
            (refused,) = work.refused
            assert (refused.channel, refused.replay_id) == (CHANGES, old[1])
            assert refused.error.startswith("400::The replayId")
            await eventually(lambda: work.health.state is State.POSITION_REFUSED)
            assert server.held == 0
            work.client.resume(CHANGES, EARLIEST)
            await comes(work, old + server.publish(2))
        assert positions_asked(server) == [old[1], EARLIEST]


async def test_case_4b_an_expired_position_at_the_resubscription() -> None:
    """The same in mid-stream, behind the events before it; no event after it is lost."""
    async with scripted_bayeux() as server, running(server.url) as work:
        ids = server.publish(4)
        await work.until(4)
        server.drop_events()
        server.forget_sessions()
        await eventually(lambda: work.take() or work.refused)
        assert work.refused[0].replay_id == ids[-1]
        late = server.publish(3)
        work.client.resume(CHANGES, EARLIEST)
        await comes(work, ids + late)


@pytest.mark.parametrize("ended", [False, True], ids=["session_kept", "session_ended"])
@pytest.mark.parametrize("advice", [None, {"reconnect": "none"}, {"reconnect": "handshake", "interval": 0}])
async def test_case_5_a_revoked_token(advice: dict[str, Any] | None, *, ended: bool) -> None:
    """One login, a new session, all events."""
    async with scripted_bayeux(tokens={"token-1"}, unauthorized_advice=advice) as server, running(server.url) as work:
        ids = server.publish(5)
        await work.until(5)
        server.tokens = {"token-2"}
        if ended:
            server.forget_sessions()
        ids += server.publish(5)
        await eventually(lambda: work.sessions.renewals)
        ids += server.publish(5)
        await comes(work, ids)
        assert work.sessions.renewals == 1
        assert work.health.counts["sessions"] == 2


async def test_case_5_a_token_refused_by_the_handshake() -> None:
    """A 401 in the reason of a denied handshake means login too; so does HTTP's own 401."""
    async with scripted_bayeux(tokens={"token-2"}) as server:
        ids = server.publish(2)
        async with running(server.url) as work:
            await comes(work, ids)
            assert work.sessions.renewals == 1


@pytest.mark.parametrize("silent", [False, True])
async def test_case_5b_a_login_that_fails(*, silent: bool) -> None:
    """Refused or unanswered logins are tried again, with pauses, until one is answered."""
    async with scripted_bayeux(tokens={"token-2"}) as server:
        ids = server.publish(2)
        work = rig(server.url, login_seconds=0.05)
        work.sessions.failures = 0 if silent else 3
        work.sessions.silent = silent
        work.run()
        await eventually(lambda: work.health.counts["login_failures"] >= 3)
        work.sessions.silent = False
        await comes(work, ids)
        await work.stop()


async def test_case_6_unknown_client() -> None:
    """A new session, no login, and what waited in the old session's queue comes once."""
    async with scripted_bayeux() as server, running(server.url) as work:
        ids = server.publish(20)
        await work.until(20)
        ids += server.publish(20)
        server.forget_sessions()
        ids += server.publish(20)
        await comes(work, ids)
        assert work.sessions.renewals == 0


async def test_case_6b_the_server_is_killed_and_comes_back() -> None:
    """Sessions gone, events kept: all come, without being asked again."""
    async with scripted_bayeux() as server, running(server.url) as work:
        ids = server.publish(5)
        await work.until(5)
        await listening(server)
        await server.stop()
        await eventually(lambda: work.health.counts["lost_reply"] >= 3)
        await server.start()
        ids += server.publish(5)
        await comes(work, ids)


async def test_case_6c_the_server_comes_back_and_knows_the_position_no_more() -> None:
    """The consumer is told of it."""
    async with scripted_bayeux() as server, running(server.url) as work:
        ids = server.publish(5)
        await work.until(5)
        await server.stop()
        server.forget_events()
        await server.start()
        await eventually(lambda: work.take() or work.refused)
        assert work.refused[0].replay_id == ids[-1]


async def test_case_7_the_server_sends_its_clients_away() -> None:
    """A /meta/disconnect is no failure: a new session, and all events."""
    async with scripted_bayeux(hold_seconds=30) as server, running(server.url) as work:
        ids = server.publish(5)
        await work.until(5)
        await listening(server)
        server.say_goodbye()
        ids += server.publish(5)
        await comes(work, ids)
        assert work.health.counts["server_disconnect"] == 1
        assert work.sessions.renewals == 0


async def test_case_7b_a_reply_lost_on_the_way() -> None:
    """The connection is cut after the server has emptied its queue into the reply."""
    async with scripted_bayeux() as server, running(server.url) as work:
        ids = await strike(server, server.lose)
        ids += server.publish(5)
        await comes(work, ids)
        assert work.health.counts["lost_reply"] >= 1  # on a busy machine a request may time out besides


@pytest.mark.parametrize("on", [HANDSHAKE, CONNECT, SUBSCRIBE])
@pytest.mark.parametrize("body", [b"", b"[{", b'{"channel":"/meta/connect"}', b"[1]", b"[]", b'"\xff"'])
async def test_case_7b_a_reply_that_is_none(on: str, body: bytes) -> None:
    """What is no Bayeux reply counts as lost, at every step of a session."""
    async with scripted_bayeux(events_on_subscribe=True) as server:
        ids = server.publish(5)
        server.script(on, server.garble(body))
        async with running(server.url) as work:
            await comes(work, ids)
            assert work.health.counts["lost_reply"] >= 1  # on a busy machine a request may time out besides


async def test_case_7c_a_half_open_connection() -> None:
    """Silence is noticed when the server's own hold and the slack are over, by what the server advised last."""
    async with scripted_bayeux(hold_seconds=0.2) as server, running(server.url, poll_slack_seconds=0.2) as work:
        ids = await strike(server, server.hear_and_be_silent)
        began = asyncio.get_running_loop().time()
        await comes(work, ids)
        assert 0.1 < asyncio.get_running_loop().time() - began < 2
        assert "no answer within 0.4 s" in work.health.last_error


async def test_case_7d_a_black_hole() -> None:
    """The server hears and answers, and nobody hears it, for a while."""
    async with scripted_bayeux() as server, running(server.url) as work:
        ids = await strike(server, server.hear_and_be_silent)
        server.script(HANDSHAKE, server.hear_and_be_silent, times=2)
        server.script(SUBSCRIBE, server.hear_and_be_silent)
        ids += server.publish(5)
        await eventually(lambda: not server.scripted())
        ids += server.publish(5)
        await comes(work, ids)
        assert work.health.counts["lost_reply"] == 4


async def test_case_7e_a_server_that_accepts_and_is_silent() -> None:
    """A short request has its own short limit, from the first one on."""
    async with scripted_bayeux() as server:
        ids = server.publish(2)
        server.script(HANDSHAKE, server.swallow)
        async with running(server.url, request_seconds=0.1) as work:
            await comes(work, ids)
            assert "no answer within 0.1 s" in work.health.last_error


async def test_case_7f_four_times_503() -> None:
    """HTML in the place of a reply: tried again until it works."""
    async with scripted_bayeux() as server, running(server.url) as work:
        ids = server.publish(5)
        await work.until(5)
        server.script(HANDSHAKE, server.deny, times=3)
        server.script(CONNECT, server.deny)
        ids += server.publish(5)
        await eventually(lambda: work.health.counts["lost_reply"] == 4)
        ids += server.publish(5)
        await comes(work, ids)


async def test_case_7g_a_slow_consumer_does_not_stop_the_polls() -> None:
    """While nothing is taken from the buffer the connects go on, in one session."""
    async with scripted_bayeux(hold_seconds=0.05) as server, running(server.url) as work:
        ids = server.publish(3)
        await eventually(lambda: server.requests[CONNECT] >= 10)
        assert len(work.buffer) == 3
        assert work.health.counts["sessions"] == 1
        await comes(work, ids)


@pytest.mark.parametrize(("marks", "filler"), [({"high": 60, "low": 10}, ""), ({"high_bytes": 60_000}, "x" * 1_000)])
async def test_case_8_back_pressure(marks: dict[str, int], filler: str) -> None:
    """Above a high mark the stream is left, at the low mark it is taken up: each event once, memory bounded."""
    async with scripted_bayeux(reply_limit=40, session_seconds=5) as server:
        ids = server.publish(1_000, Description=filler)
        async with running(server.url, **marks) as work:
            fullest = 0
            async with asyncio.timeout(30):
                while len(work.taken) < 1_000:
                    fullest = max(fullest, len(work.buffer))
                    work.take(7)
                    await asyncio.sleep(0.001)
            assert count_faults(work.ids, ids) == NO_FAULTS
            assert fullest < 60 + 40
            assert 5 < work.health.counts["sessions"] < 50
            assert work.health.counts["unknown_client"] == 0
            assert server.requests["/meta/disconnect"] >= work.health.counts["sessions"] - 1


async def test_case_9_an_interval_is_milliseconds() -> None:
    """`advice.interval` 200 means a fifth of a second between two connects."""
    async with scripted_bayeux(interval_ms=200, hold_seconds=0.05) as server, running(server.url) as work:
        began = asyncio.get_running_loop().time()
        ids = server.publish(5)
        await comes(work, ids)
        await eventually(lambda: server.requests[CONNECT] >= 4)
        assert 0.4 < asyncio.get_running_loop().time() - began < 3


async def test_case_9b_a_cancelled_consumer_loses_nothing() -> None:
    """A consumer that is cancelled at its wait again and again, while 3,000 events come in, gets them all."""
    async with scripted_bayeux() as server, running(server.url) as work:
        await listening(server)
        ids: list[int] = []
        cancelled = 0
        async with asyncio.timeout(30):
            while len(work.taken) < 3_000:
                if len(work.taken) == len(ids):
                    ids += server.publish(30)
                waiting = asyncio.create_task(work.buffer.filled())
                await asyncio.sleep(0)
                cancelled += waiting.cancel()
                await asyncio.gather(waiting, return_exceptions=True)
                work.take(7)
        assert cancelled >= 100
        assert count_faults(work.ids, ids) == NO_FAULTS
