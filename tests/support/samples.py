"""A week as the charts might show it: days and nights, a rush, and an hour in which nobody looked."""

import math

from ops.admin.rollup import HOUR, TIERS, Span, slot
from ops.weekly.week import Week
from schemas import topics
from schemas.outcome import Outcome
from schemas.samples import FROM_SALESFORCE, TO_SALESFORCE, Sample, took


def a_week_of_samples(now: int) -> list[tuple[Sample, int]]:
    """Of every width, each with how long it is kept."""
    found = []
    for tier in TIERS.values():
        end = slot(now, tier.width) + tier.width
        for at in range(end - tier.shown, end, tier.width):
            if tier.width < HOUR and now - at in range(tier.shown // 3, tier.shown // 3 + 6 * tier.width):
                continue
            found.append((_sample(at, tier.width), tier.kept))
    return found


def two_weeks(week: Week) -> list[tuple[Sample, int]]:
    """The hours of this week and of the one before, each with how long it is kept."""
    tier = TIERS[Span.WEEK]
    return [(_sample(at, tier.width), tier.kept) for at in range(week.moved(-1).since, week.until, tier.width)]


def _sample(at: int, width: int) -> Sample:
    day = 1 + math.sin(at % (24 * HOUR) / (24 * HOUR) * 2 * math.pi) + 0.3 * math.sin(at / 1_700_000)
    rush = 6 if at // HOUR % 50 == 0 else 1
    a_minute = 40 * max(0.1, day) * rush
    number = int(a_minute * width / 60_000)
    return Sample(
        at=at,
        width=width,
        covered=width,
        counts={
            f"handled:{topics.PLATFORM_EVENTS}": number,
            f"handled:{topics.SALESFORCE_CHANGES}": number * 3 // 4,
            f"handled:{topics.SALESFORCE_WRITES}": number // 2,
            f"outcome:{Outcome.APPLIED}": number,
            f"outcome:{Outcome.ECHO}": number // 2,
            f"outcome:{Outcome.DUPLICATE}": number // 9,
            f"outcome:{Outcome.PARKED}": number // 60,
            took(TO_SALESFORCE, 1_000): number // 3,
            took(TO_SALESFORCE, 2_000): number // 8,
            took(TO_SALESFORCE, 5_000): number // 40,
            took(FROM_SALESFORCE, 2_000): number // 3,
            took(FROM_SALESFORCE, 5_000): number // 5,
            "conflict:customer": number // 50,
            "conflict:order": number // 90,
            "write:applied": number // 2 - number // 70,
            "write:deferred": number // 70 - number // 90,
            "write:parked": number // 90,
            f"error:{topics.SALESFORCE_WRITES}:UNABLE_TO_LOCK_ROW": number // 70 - number // 90,
            f"error:{topics.SALESFORCE_WRITES}:STRING_TOO_LONG": number // 90,
            f"error:{topics.PLATFORM_EVENTS}:unknown_event_type": number // 60,
            "field:customer:phone": number // 60,
            "field:customer:address.city": number // 300,
            "field:order:status": number // 90,
        },
        levels={
            "due": int(a_minute * 2),
            "parked": int(at // HOUR % 7),
            "refused": 2,
            "reviews": int(at // HOUR % 5),
            "gaps": 0,
            "longest_due": int(a_minute * 300),
            f"lag:{topics.PLATFORM_EVENTS}": int(a_minute),
            f"lag:{topics.SALESFORCE_CHANGES}": int(a_minute / 2),
            f"lag:{topics.SALESFORCE_WRITES}": int(a_minute * 3),
            "api_used": int(at % (24 * HOUR) / (24 * HOUR) * 9_000),
            "api_limit": 15_000,
        },
    )
