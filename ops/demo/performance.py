"""The demo on its stage: both sides edit, come to rest, and are judged."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from ops.demo.at_work import at_work
from ops.demo.killer import Killer
from ops.demo.onlooker import Onlooker
from ops.demo.plan import EXHAUSTED_SECONDS, QUIET_SECONDS, REST_SECONDS, TOLD_SECONDS, TRIGGERS_IN_WORDS, Plan
from ops.demo.report import passed
from ops.demo.rest import RestDetector
from ops.demo.screen import Screen
from ops.demo.stage import Stage
from ops.demo.telling import untold_in_time
from ops.demo.traffic import Traffic, open_traffic
from schemas.mapping import Mapping
from simulator.observer.readers import Evidence, OrgWitness, hear, open_mongo
from simulator.observer.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Ending:
    """How it ended. `unrest` is what was still under way when the time was over, empty at rest."""

    verdict: Verdict
    unrest: str
    seconds: float
    person: str
    """Somebody to try things with: a document id."""
    told: int = 0
    """How many webhooks the platform took."""
    untold: Sequence[str] = ()
    """What Salesforce changed and the platform was not told of in time, a line each."""


async def perform(stage: Stage, plan: Plan, mapping: Mapping, screen: Screen) -> Ending:
    """Play it to the end and have the observer judge.

    Raises:
        DemoFailed: the traffic could not go on.
    """
    org = OrgWitness(stage.http, stage.org_url)
    async with (
        open_mongo(stage.servers.mongodb_uri, stage.database) as mongo,
        open_traffic(stage, plan, mapping) as traffic,
    ):
        _announce(plan, traffic, screen)
        began = time.monotonic()
        async with screen.showing(Onlooker(traffic, stage.backlog, mongo, org, mapping)):
            screen.doing = "Both sides edit"
            await _edits(stage, plan, traffic, screen)
            screen.doing = "All edits are made; waiting until both sides are at rest"
            screen.say(_done(traffic))
            screen.say(_acts(traffic, await traffic.locked()))
            unrest = await _rest(screen)
        seconds = time.monotonic() - began
        screen.say("the observer reads the platform's log, the org's log and MongoDB")
        since = None if unrest else screen.glance.last_commit
        evidence = await hear(stage.journal, org, mongo, mapping)
        untold = await _told(stage, evidence, mapping)
        told = 0 if stage.receiver is None else len(stage.receiver.told.ids)
        verdict = await asyncio.to_thread(evidence.judge, mapping, resting_since=since)
        if untold or not passed(verdict, plan, rested=not unrest):
            evidence.save(stage.folder)
        return Ending(verdict, unrest, seconds, traffic.somebody, told, untold)


async def _edits(stage: Stage, plan: Plan, traffic: Traffic, screen: Screen) -> None:
    """Both sides edit; with `--kill` our processes are killed meanwhile, and as often as planned."""
    if not plan.kill:
        await traffic.run()
        return
    screen.doing = "Both sides edit, while our processes are killed and started again"
    killer = Killer(stage.cast, stage.children, plan.seed, screen.say, partial(at_work, stage))
    edited = asyncio.Event()
    killing = asyncio.create_task(killer.run(edited))
    try:
        await traffic.run()
        edited.set()
        await killing
    finally:
        killing.cancel()
        await asyncio.gather(killing, return_exceptions=True)
    screen.say(killer.told())


async def _rest(screen: Screen) -> str:
    """Wait until both sides are at rest; what is still under way if they are not in time."""
    detector = RestDetector(QUIET_SECONDS)
    try:
        async with asyncio.timeout(REST_SECONDS):
            while not detector.at_rest((await screen.next_glance()).signs, time.monotonic()):
                pass
    except TimeoutError:
        return screen.glance.signs.tell()
    return ""


async def _told(stage: Stage, evidence: Evidence, mapping: Mapping) -> list[str]:
    if stage.receiver is None:
        return []
    return await untold_in_time(stage.receiver.told, evidence.documents, mapping, seconds=TOLD_SECONDS)


def _announce(plan: Plan, traffic: Traffic, screen: Screen) -> None:
    screen.say(f"triggers at work in the org: {TRIGGERS_IN_WORDS}")
    rate = plan.rate(traffic.births)
    screen.say(
        f"the platform makes {traffic.births} things and {plan.events} edits, {rate:.0f} a second, "
        "whole and partial, some twice, some late, some before what they name"
    )
    screen.say(f"salespeople make {plan.edits} edits in Salesforce at the same time, often of the same fields")
    screen.say(
        "meanwhile leads are converted, contacts merged and moved to other accounts, records deleted and undeleted, "
        f"rows found locked, and for {EXHAUSTED_SECONDS:g} seconds the org has no API calls left"
    )


def _done(traffic: Traffic) -> str:
    posted, edited = traffic.posted, traffic.edited
    return (
        f"all edits are made: {posted.created} things, {posted.edited} edits of theirs "
        f"({posted.whole_records} whole records), {posted.refunds} refunds, {posted.posts} posts, "
        f"{posted.duplicates} duplicates, {posted.held_back} held back, "
        f"{posted.retries} posted again, {posted.refused} refused; {edited.edited} edits in Salesforce"
    )


def _acts(traffic: Traffic, locked: int) -> str:
    acts = traffic.acts
    return (
        f"in the org: {acts.leads} leads entered, {acts.converted} converted, {acts.merged} contacts merged, "
        f"{acts.moved} moved to another account, {acts.deleted} records deleted, {acts.undeleted} undeleted, "
        f"{locked} rows found locked, no API calls left for {acts.exhausted_seconds:g} s; "
        "waiting until both sides are at rest"
    )
