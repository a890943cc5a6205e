"""What the CometD client does beside the numbered cases: several channels, limits, refusals, odd servers."""

import asyncio
import json
import logging
from typing import Any

import pytest
from support.fakes_changes import NO_FAULTS, count_faults, eventually, running
from support.scripted_bayeux import CHANGES, scripted_bayeux

from listener.changes.health import State
from schemas.stream import EARLIEST

CONTACTS, LEADS = "/data/ContactChangeEvent", "/data/LeadChangeEvent"
CONNECT, HANDSHAKE, SUBSCRIBE = "/meta/connect", "/meta/handshake", "/meta/subscribe"


async def test_several_channels_keep_their_own_positions() -> None:
    """Each channel goes on after its own last event when the session is lost."""
    async with scripted_bayeux() as server:
        contacts, leads = server.publish(6, CONTACTS), server.publish(6, LEADS)
        channels = (CONTACTS, LEADS)
        async with running(server.url, {CONTACTS: contacts[2]}, channels=channels) as work:
            await work.until(9)
            server.script(CONNECT, server.lose)
            contacts += server.publish(2, CONTACTS)
            await eventually(lambda: not server.scripted())
            leads += server.publish(2, LEADS)
            await work.until(13)
        by_channel = {each: [e.replay_id for e in work.taken if e.channel == each] for each in channels}
        assert count_faults(by_channel[CONTACTS], contacts[3:]) == NO_FAULTS
        assert count_faults(by_channel[LEADS], leads) == NO_FAULTS
    asked = [message["ext"]["replay"] for message in server.asked if message["channel"] == SUBSCRIBE]
    assert asked[:2] == [{CONTACTS: contacts[2]}, {LEADS: EARLIEST}]
    assert asked[3] == {LEADS: leads[5]}


async def test_a_refused_channel_does_not_silence_the_others(caplog: pytest.LogCaptureFixture) -> None:
    """Its refusal is told and makes the service not ready; it is asked for again after its time."""
    refusal = "403::User not allowed to subscribe CDC without View All Data permissions"
    options: dict[str, Any] = {"channels": (CONTACTS, LEADS), "refused_channel_seconds": 0.2}
    async with scripted_bayeux(refused_channels={LEADS: refusal}, hold_seconds=0.05) as server:
        contacts, leads = server.publish(3, CONTACTS), server.publish(3, LEADS)
        with caplog.at_level(logging.ERROR):
            async with running(server.url, **options) as work:
                await work.until(3)
                assert work.health.refused_channels == {LEADS: refusal}
                assert not work.health.ready(work.health.last_frame or 0.0)
                server.refused_channels.clear()
                await work.until(6)
                assert work.health.refused_channels == {}
                assert work.health.ready(work.health.last_frame or 0.0)
        assert work.ids == contacts + leads
        assert refusal in caplog.text


async def test_every_channel_refused_is_a_failure() -> None:
    """There is nothing to poll for: a new session after a pause, again and again."""
    async with scripted_bayeux(refused_channels={CHANGES: "403::Restricted channel"}) as server:
        async with running(server.url) as work:
            await eventually(lambda: work.health.counts["refused"] >= 3)
            assert "every channel was refused" in work.health.last_error
            server.refused_channels.clear()
            ids = server.publish(1)
            await work.until(1)
        assert work.ids == ids


async def test_a_400_that_speaks_of_the_channel_is_no_lost_position() -> None:
    """Only a refused replay id is; a channel that does not exist is a refused channel."""
    text = "400::The channel you requested to subscribe to does not exist /data/ChangeEvents"
    async with scripted_bayeux(refused_channels={CHANGES: text}) as server, running(server.url, {CHANGES: 7}) as work:
        await eventually(lambda: work.health.counts["refused"])
        assert len(work.buffer) == 0
        assert work.health.refused_channels == {CHANGES: text}


@pytest.mark.parametrize(
    ("on", "members", "ending"),
    [
        (HANDSHAKE, {"error": "403::Handshake denied", "failure": "503::Server is too busy."}, "over_limits"),
        (HANDSHAKE, {"error": "403::Handshake denied", "failure": "401::Authentication invalid"}, "login_refused"),
        (HANDSHAKE, {"error": "403::Handshake denied", "failure": "403::Something"}, "refused"),
        (CONNECT, {"error": "403::Organization total events daily limit exceeded"}, "deliveries_used_up"),
        (CONNECT, {"error": "401::Authentication invalid"}, "login_refused"),
        (CONNECT, {"error": "402::Unknown client"}, "unknown_client"),
        (CONNECT, {"error": "500::Something", "advice": {"reconnect": "handshake"}}, "unknown_client"),
        (CONNECT, {"error": "500::Something", "advice": {"reconnect": "retry"}}, "refused"),
        (CONNECT, {"successful": True, "advice": {"reconnect": "handshake"}}, "unknown_client"),
        (CONNECT, {"successful": True, "advice": {"reconnect": "none"}}, "refused"),
        (SUBSCRIBE, {"error": "403::Unknown client"}, "unknown_client"),
        (SUBSCRIBE, {"error": "503::Server is too busy."}, "over_limits"),
        (SUBSCRIBE, {"error": "401::Authentication invalid"}, "login_refused"),
        (SUBSCRIBE, {}, "refused"),
        (HANDSHAKE, {"successful": True, "clientId": "c", "ext": {}}, "refused"),
    ],
)
async def test_every_refusal_ends_the_session_and_not_the_stream(on: str, members: dict[str, Any], ending: str) -> None:
    """Whatever the server says no to, and however: the next session gets everything, and only a 401 logs in."""
    members = dict(members)
    if "failure" in members:
        members["ext"] = {"sfdc": {"failureReason": members.pop("failure")}}
    async with scripted_bayeux() as server:
        ids = server.publish(3)
        server.script(on, server.answer(**members))
        async with running(server.url) as work:
            await work.until(3)
            assert work.ids == ids
            assert work.health.counts[ending] == 1
            assert work.sessions.renewals == (1 if ending == "login_refused" else 0)


async def test_a_reply_over_the_limit_is_not_read_to_its_end() -> None:
    """It counts as lost, its size is named, and nothing of it is taken."""
    async with scripted_bayeux() as server:
        ids = server.publish(2)
        server.script(CONNECT, server.garble(json.dumps([{"channel": "/meta/connect", "x": "x" * 5_000}]).encode()))
        async with running(server.url, max_reply_bytes=4_000) as work:
            await work.until(2)
            assert work.ids == ids
            assert "CHANGES_MAX_REPLY_BYTES (4000)" in work.health.last_error


async def test_a_server_that_never_holds_is_not_polled_without_end() -> None:
    """Empty answers at once are followed by growing pauses, and events still come."""
    async with scripted_bayeux(hold_seconds=0, told_seconds=10) as server:
        settings = {"backoff_seconds": 0.05, "backoff_cap_seconds": 0.2}
        async with running(server.url, **settings) as work:
            await eventually(lambda: server.requests[CONNECT] >= 8)
            began, asked = asyncio.get_running_loop().time(), server.requests[CONNECT]
            ids = server.publish(1)
            await work.until(1)
            await eventually(lambda: asyncio.get_running_loop().time() - began > 0.5)
            assert server.requests[CONNECT] - asked < 15
        assert work.ids == ids


async def test_a_lone_surrogate_does_not_block_the_stream() -> None:
    """JSON may hold one; the event comes through with what is around it."""
    async with scripted_bayeux() as server, running(server.url) as work:
        await eventually(lambda: server.held)
        before = server.publish(1)
        await work.until(1)
        message = {"channel": CHANGES, "data": {"payload": {"Name": "\ud800"}, "event": {"replayId": before[0] + 1}}}

        async def act(request: Any, proceed: Any) -> Any:
            (answer,) = [each for each in await proceed() if each["channel"] == CONNECT]
            return await server.garble(json.dumps([message, answer]).encode())(request, nothing)

        async def nothing() -> list[Any]:
            return []

        server.script(CONNECT, act)
        await work.until(2)
        assert work.taken[1].data["payload"] == {"Name": "\ud800"}
        assert work.health.counts["lost_reply"] == 0


async def test_an_event_without_a_replay_id_is_taken_too() -> None:
    """It cannot move the position, and is not left out."""
    async with scripted_bayeux() as server, running(server.url) as work:
        server.publish_data(server.next_id(), CHANGES, {"odd": True})
        server.publish_data(server.next_id(), CHANGES, "text")
        ids = server.publish(1)
        await work.until(3)
        assert work.ids == [None, None, *ids]


async def test_the_token_is_in_no_log_line(caplog: pytest.LogCaptureFixture) -> None:
    """Neither on failure nor on success, at any level."""
    async with scripted_bayeux(tokens={"token-2"}) as server:
        with caplog.at_level(logging.DEBUG):
            async with running(server.url) as work:
                server.script(CONNECT, server.lose)
                server.publish(1)
                await work.until(1)
        assert "lost_reply" in caplog.text
        assert "token-" not in caplog.text


async def test_health_tells_the_age_of_the_last_frame() -> None:
    """It is young while frames come, and too old once the server's hold and the slack are over."""
    async with scripted_bayeux(hold_seconds=0.1) as server, running(server.url, poll_slack_seconds=0.4) as work:
        await eventually(lambda: server.requests[CONNECT] >= 3)
        last = work.health.last_frame
        assert last is not None
        assert work.health.state is State.CONNECTED
        assert work.health.frame_limit == pytest.approx(0.5)
        assert work.health.ready(last + 0.4)
        assert not work.health.ready(last + 0.6)
        assert work.health.frame_age(last + 0.6) == pytest.approx(0.6)
