"""The CometD client and the subscriber against the simulated org, which was written by others and shares no code."""

import asyncio
import itertools
import random
from typing import Any

import pytest
from support.bayeux import StreamOrg, stream_org
from support.fakes_changes import (
    NO_FAULTS,
    FakeChangeLog,
    FakeGaps,
    FakeLeases,
    FakePositions,
    Rig,
    count_faults,
    eventually,
    quick_settings,
)
from support.scripted_bayeux import change_payload

from listener.changes.buffer import Buffer
from listener.changes.cometd import CometdClient
from listener.changes.health import Health
from listener.changes.ports import Session
from listener.changes.subscriber import Subscriber
from schemas.change import Change
from schemas.codec import decode
from schemas.stream import EARLIEST, ReplayId
from simulator.org.cometd import FaultKind, StreamFault

CHANNEL = "/data/ChangeEvents"
CONNECT, HANDSHAKE, SUBSCRIBE = "/meta/connect", "/meta/handshake", "/meta/subscribe"
_numbers = itertools.count(1)


class OrgSessions:
    """Logins to the simulated org."""

    def __init__(self, org: StreamOrg) -> None:
        self._org = org
        self._token = org.login()
        self.renewals = 0

    @property
    def token(self) -> str:
        return self._token

    async def current(self) -> Session:
        return Session(self._org.url(""), self._token)

    async def renew(self, refused: Session) -> Session:
        self.renewals += 1
        if refused.access_token == self._token:
            self._token = self._org.login()
        return await self.current()


def publish(org: StreamOrg, count: int) -> list[int]:
    """So many commits; their replay ids."""
    events = [("Contact", change_payload(next(_numbers))) for _ in range(count)]
    return [change.replay_id for change in org.bus.publish_all(events, 0, 0)]


class OrgRig(Rig):
    """A client of the simulated org at work."""

    def __init__(self, org: StreamOrg, **settings: Any) -> None:
        self.logins = OrgSessions(org)
        health = Health()
        client = CometdClient(sessions=self.logins, settings=quick_settings(**settings), health=health)
        super().__init__(client, None, health, Buffer(high=100_000, low=0))  # type: ignore[arg-type]

    async def __aenter__(self) -> "OrgRig":
        self.run()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    async def comes(self, ids: list[int]) -> None:
        """These come, and nothing is wrong with what came."""
        await self.until(len(ids))
        assert count_faults(self.ids, ids) == NO_FAULTS


@pytest.mark.parametrize("on_subscribe", [False, True])
async def test_org_2_a_backlog_and_live_events(*, on_subscribe: bool) -> None:
    """Cases 2, 2b, 2c, 3."""
    async with stream_org(events_on_subscribe_reply=on_subscribe) as org:
        ids = publish(org, 3_000)
        async with OrgRig(org) as work:
            await work.until(3_000)
            ids += publish(org, 1_000)
            await work.comes(ids)
        again = OrgRig(org)
        again.run({CHANNEL: ids[3_899]})
        await again.until(100)
        assert again.ids == ids[3_900:]
        await again.stop()


async def test_org_4_expired_positions() -> None:
    """Cases 4, 4b, 6c: the consumer is told, and goes on from the oldest."""
    async with stream_org() as org, OrgRig(org) as work:
        ids = publish(org, 3)
        await work.until(3)
        org.cometd.faults.forget_replay_ids()
        org.cometd.faults.forget_sessions()
        late = publish(org, 2)
        await eventually(lambda: work.take() or work.refused)
        assert work.refused[0].replay_id == ids[-1]
        work.client.resume(CHANNEL, EARLIEST)
        await work.comes(ids + late)


@pytest.mark.parametrize("kept", [False, True])
async def test_org_5_a_revoked_token(*, kept: bool) -> None:
    """Case 5: one login, whether the session outlives the 401 or not."""
    async with stream_org(keep_session_on_401=kept) as org, OrgRig(org) as work:
        ids = publish(org, 3)
        await work.until(3)
        org.tokens.revoke(work.logins.token)
        ids += publish(org, 3)
        await eventually(lambda: work.logins.renewals)
        await work.comes(ids + publish(org, 3))
        assert work.logins.renewals == 1


@pytest.mark.parametrize("cut", [False, True])
async def test_org_6_sessions_forgotten(*, cut: bool) -> None:
    """Cases 6, 6b."""
    async with stream_org(hold_seconds=5) as org, OrgRig(org) as work:
        ids = publish(org, 20)
        await work.until(20)
        await org.holding()
        org.cometd.faults.forget_sessions(cut=cut)
        await work.comes(ids + publish(org, 20))
        assert work.logins.renewals == 0


@pytest.mark.parametrize("advice", ["none", "handshake", None])
async def test_org_7_sent_away(advice: Any) -> None:
    """Case 7, with every advice it may carry."""
    async with stream_org(hold_seconds=5) as org, OrgRig(org) as work:
        ids = publish(org, 3)
        await work.until(3)
        await org.holding()
        org.cometd.faults.disconnect_clients(advice)
        await work.comes(ids + publish(org, 3))
        assert work.health.counts["server_disconnect"] == 1
        assert work.logins.renewals == 0


@pytest.mark.parametrize("on", [CONNECT, SUBSCRIBE])
@pytest.mark.parametrize("kind", [FaultKind.CUT, FaultKind.LOSE, FaultKind.BAD_JSON])
async def test_org_7b_lost_replies(kind: FaultKind, on: str) -> None:
    """Case 7b, however the reply is lost, and wherever its events were."""
    async with stream_org() as org:
        org.cometd.faults.arm(StreamFault(kind=kind, on=frozenset({on}), with_events=True))
        ids = publish(org, 5) if on == SUBSCRIBE else []
        async with OrgRig(org) as work:
            if on == CONNECT:
                await org.holding()
                ids += publish(org, 5)
            await work.comes(ids)
            assert org.cometd.faults.lost_events >= 5
            assert work.health.counts["lost_reply"] == 1


async def test_org_7d_a_black_hole() -> None:
    """Cases 7c, 7d, 7e, 7f."""
    async with stream_org() as org, OrgRig(org, request_seconds=0.2) as work:
        ids = publish(org, 5)
        await work.until(5)
        org.cometd.faults.arm(StreamFault(kind=FaultKind.BLACK_HOLE, seconds=1.2))
        ids += publish(org, 5)
        await eventually(lambda: org.cometd.faults.lost_events)
        await work.comes(ids + publish(org, 5))
        org.cometd.faults.arm(StreamFault(kind=FaultKind.STALL, seconds=5, on=frozenset({HANDSHAKE})))
        org.cometd.faults.arm(StreamFault(kind=FaultKind.UNAVAILABLE, times=4))
        more = publish(org, 5)
        await eventually(lambda: not org.cometd.faults.armed())
        await work.until(20)
        assert work.ids[15:] == more


async def test_org_denied_handshakes() -> None:
    """Too busy and over a limit: it waits and comes back; a token that is refused is renewed."""
    async with stream_org() as org:
        org.cometd.faults.arm(StreamFault(kind=FaultKind.DENY_HANDSHAKE, times=2))
        org.cometd.faults.arm(StreamFault(kind=FaultKind.UNAUTHORIZED, times=2))
        ids = publish(org, 2)
        async with OrgRig(org) as work:
            await work.comes(ids)
            assert work.health.counts["over_limits"] == 2
            assert 1 <= work.logins.renewals <= 2


async def test_org_9_an_interval() -> None:
    """Case 9: 100 ms between connects is 100 ms."""
    async with stream_org(hold_seconds=0.02) as org:
        org.cometd.faults.advice_interval_ms = 100
        async with OrgRig(org) as work:
            ids = publish(org, 3)
            await work.comes(ids)
            began = asyncio.get_running_loop().time()
            for _ in range(3):
                ids += publish(org, 1)
                await work.until(len(ids))
            assert asyncio.get_running_loop().time() - began < 3
            await work.comes(ids)


@pytest.mark.parametrize("seed", range(4))
async def test_org_nothing_is_lost_whatever_happens(seed: int) -> None:
    """Random faults of every kind while subscribers are killed, started again and compete: every change is in the log.

    Duplicates are allowed where a process was killed between the log and the position; the log as each record's reader
    sees it, without them, is in order.
    """
    chance = random.Random(seed)
    log, positions, gaps = FakeChangeLog(), FakePositions(), FakeGaps()
    leases = FakeLeases(asyncio.get_running_loop().time)
    published: list[ReplayId] = []
    async with stream_org(hold_seconds=0.1, session_seconds=2, maximum_clients=10_000) as org:
        logins = OrgSessions(org)
        running: list[asyncio.Task[None]] = []
        owners = itertools.count()

        def start() -> None:
            health = Health()
            settings = quick_settings(
                lease_seconds=1,
                high_mark=40,
                low_mark=10,
                batch_records=7,
                request_seconds=0.2,
                poll_slack_seconds=0.2,
                retention_hours=1_000_000,  # this org's events are dated years ago
            )
            source = CometdClient(sessions=logins, settings=settings, health=health)
            subscriber = Subscriber(
                source=source,
                log=log,
                positions=positions,
                leases=leases,
                gaps=gaps,
                settings=settings,
                health=health,
                org_id="00D",
                owner=f"owner-{next(owners)}",
            )
            running.append(asyncio.create_task(subscriber.run(asyncio.Event())))

        def misfortune() -> None:
            faults = org.cometd.faults
            kinds = [FaultKind.CUT, FaultKind.LOSE, FaultKind.BAD_JSON, FaultKind.UNAVAILABLE, FaultKind.UNAUTHORIZED]
            match chance.randrange(8):
                case 0:
                    faults.forget_sessions(cut=chance.random() < 0.5)
                case 1:
                    faults.disconnect_clients(chance.choice(["none", "handshake", None]))  # type: ignore[arg-type]
                case 2:
                    org.tokens.revoke(logins.token)
                case 3:
                    faults.arm(StreamFault(kind=FaultKind.BLACK_HOLE, seconds=0.3))
                case 4:
                    log.outage.left = positions.outage.left = chance.randrange(3)
                case 5:
                    running.pop(chance.randrange(len(running))).cancel()
                    start()
                case _:
                    faults.arm(StreamFault(kind=chance.choice(kinds), with_events=chance.random() < 0.5))

        start()
        start()
        org.cometd.faults.arm(StreamFault(kind=FaultKind.LOSE, with_events=True))
        published += publish(org, 5)
        await eventually(lambda: org.cometd.faults.lost_events)
        for _ in range(40):
            published += publish(org, chance.randrange(1, 30))
            misfortune()
            await asyncio.sleep(chance.random() * 0.05)
        org.cometd.faults.clear()
        try:
            await eventually(lambda: positions.stored and positions.stored[CHANNEL].replay_id == published[-1], 30)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
    logged = [decode(Change, record.value).replay_id for record in log.records]
    once = list(dict.fromkeys(logged))
    assert count_faults(once, published) == NO_FAULTS
    assert gaps.rows == {}
    assert org.cometd.faults.lost_events > 0
