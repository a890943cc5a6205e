"""The chaos on its stage: both sides edit, things go wrong, all comes to rest, and the observer judges."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from ops.chaos.crew import Say
from ops.chaos.inject import Injector
from ops.chaos.lag import Lookout, looking
from ops.chaos.outcome import Outcome, Trouble, counts, keep_late, machine, now_told, thinned, zeros
from ops.chaos.recovery import recoveries
from ops.chaos.schedule import Planned
from ops.chaos.stage import HOLD_SECONDS, SLACK_SECONDS, Chaos
from ops.demo.plan import QUIET_SECONDS, Plan
from ops.demo.rest import RestDetector
from ops.demo.telling import untold_in_time
from ops.demo.traffic import Traffic, open_traffic
from schemas.mapping import Mapping as FieldsMapping
from simulator.observer.acts import platform_acts, salesforce_acts
from simulator.observer.readers import OrgWitness, hear, open_mongo
from simulator.observer.verdict import Finding

LOOK_SECONDS: Final = 0.4
"""How long the platform's people wait between two looks at all documents."""
SIGHT_SECONDS: Final = 1.2
"""How old the platform's last look at its documents may be for somebody to edit; less than MERGE_VISIBLE_AFTER_SECONDS,
within which nobody counts as having seen what was shown."""
REST_SECONDS: Final = 240.0
TOLD_SECONDS: Final = 120.0
"""How long after rest a value may not have been told: what a killed `tandem deliver` had in hand waits for a while."""
LINE_SECONDS: Final = 5.0
HANDS: Final = 1.0
"""How many seconds' worth of platform events are in hand at any time."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How it ended, and what was found."""

    outcome: Outcome
    findings: Sequence[Finding]
    untold: Sequence[str]
    """Values that the platform was not told in time, a line each."""


async def perform(
    chaos: Chaos,
    plan: Plan,
    mapping: FieldsMapping,
    schedule: Sequence[Planned],
    kafka_options: Mapping[str, Any],
    command: str,
    say: Say,
) -> Ending:
    """Play it to the end and have the observer judge.

    Raises:
        DemoFailed: the traffic could not go on, or something that was to go wrong could not.
    """
    stage = chaos.stage
    org = OrgWitness(stage.http, stage.org_url)
    async with (
        open_mongo(stage.servers.mongodb_uri, stage.database) as mongo,
        open_traffic(stage, plan, mapping, look_seconds=LOOK_SECONDS, sight_seconds=SIGHT_SECONDS) as traffic,
    ):
        collections = {name: kind.collection for name, kind in mapping.kinds.items()}
        lookout = Lookout(kafka_options, mongo, stage.http, stage.org_url, collections, lambda: traffic.platform.behind)
        injector = Injector(
            chaos.crew,
            chaos.servers,
            chaos.links,
            stage.http,
            stage.org_url,
            chaos.join,
            lambda: lookout.seconds,
            lambda what: say(f"[{lookout.seconds:5.1f}s] {what}"),
        )
        rate = plan.rate(traffic.births)
        say(f"the platform makes {traffic.births} things and {plan.events} edits, {rate:.0f} a second")
        say(f"salespeople make {plan.edits} edits; {len(schedule)} troubles are to come")
        async with looking(lookout), _telling(lookout, traffic, say):
            lookout.begin()
            await _load(traffic, injector, schedule)
            load_seconds = lookout.seconds
            say(
                f"[{load_seconds:5.1f}s] all edits are made and all troubles over; waiting until both sides are at rest"
            )
            unrest, last_commit = await _rest(lookout)
            rest_seconds = lookout.seconds - load_seconds
        say("the observer reads the platform's log, the org's log and MongoDB")
        evidence = await hear(stage.journal, org, mongo, mapping)
        verdict = await asyncio.to_thread(evidence.judge, mapping, resting_since=None if unrest else last_commit)
        gaps, parked = evidence.gaps, await mongo.parked()
        told = chaos.receiver.told
        untold = await untold_in_time(told, evidence.documents, mapping, seconds=TOLD_SECONDS)
        found = zeros(verdict.findings, gaps, parked, untold)
        keep_late(lookout.samples, stage.folder)
        recovered = recoveries(injector.strikes, lookout.samples, slack=round(rate * HANDS))
        troubles = [Trouble.of(one, notice=HOLD_SECONDS + SLACK_SECONDS) for one in recovered]
        if unrest or any(found.values()) or not all(trouble.in_time for trouble in troubles):
            replace(evidence, documents={**evidence.documents, "parked": parked}).save(stage.folder)
        closed = sum(1 for gap in gaps if gap.get("state") == "closed")
        outcome = Outcome(
            seed=plan.seed,
            preset=plan.preset,
            at=now_told(),
            machine=machine(),
            command=command,
            load_seconds=round(load_seconds, 1),
            rest_seconds=round(rest_seconds, 1),
            unrest=unrest,
            found=found,
            counts=counts(
                verdict,
                platform_acts(evidence.journal, mapping),
                salesforce_acts(evidence.commits, mapping),
                commits=len(evidence.commits),
                strikes=len(injector.strikes),
                closed_gaps=closed,
                told=len(told.ids),
            ),
            troubles=troubles,
            ended=dict(chaos.crew.ended),
            proxied=bool(chaos.links),
            samples=thinned(lookout.samples),
        )
        return Ending(outcome, verdict.findings, untold)


async def _load(traffic: Traffic, injector: Injector, schedule: Sequence[Planned]) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(traffic.run())
        group.create_task(injector.run(schedule))


async def _rest(lookout: Lookout) -> tuple[str, int]:
    """Wait until both sides are at rest: what is still under way if they are not in time, and the org's last commit."""
    detector = RestDetector(QUIET_SECONDS)
    look = None
    try:
        async with asyncio.timeout(REST_SECONDS):
            while True:
                look = await lookout.next_look()
                if look is not None and detector.at_rest(look.signs, time.monotonic()):
                    return "", look.signs.commit
    except TimeoutError:
        return "nothing could be looked at" if look is None else look.tell(), 0


@contextlib.asynccontextmanager
async def _telling(lookout: Lookout, traffic: Traffic, say: Say) -> AsyncIterator[None]:
    async def tell() -> None:
        while True:
            await asyncio.sleep(LINE_SECONDS)
            posted, sample = traffic.posted, lookout.samples[-1] if lookout.samples else None
            lag = "unknown" if sample is None or sample.lag is None else f"{sample.lag} ({lookout.told})"
            say(
                f"[{lookout.seconds:5.1f}s] {posted.created + posted.edited} platform events, "
                f"{traffic.edited.edited} edits in Salesforce, lag {lag}"
            )

    telling = asyncio.create_task(tell())
    try:
        yield
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
