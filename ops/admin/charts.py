"""`/admin/charts`: how things were in the last hour, day and week."""

from adapters.mongo.samples import MongoSamples
from ops.admin.answers import Answer, Asked, CannotDo, Page
from ops.admin.rollup import TIERS, Span
from ops.admin.series import drawn


async def show(asked: Asked) -> Answer:
    """Every chart over one span."""
    return Page("charts.html", "Charts", await over_span(asked))


async def over_span(asked: Asked) -> dict[str, object]:
    """The charts over the span that the address names; over the last hour where it names none.

    Raises:
        CannotDo: there is no such span.
        Unavailable: MongoDB does not answer.
    """
    try:
        span = Span(asked.query("span", Span.HOUR))
    except ValueError:
        raise CannotDo(f"charts go over {', '.join(Span)}") from None
    tier, now = TIERS[span], asked.parts.now()
    samples = await MongoSamples(asked.parts.database).between(tier.width, now - tier.shown - tier.width, now + 1)
    charts = drawn(samples, tier, now)
    return {
        "span": span,
        "spans": list(Span),
        "width": charts.width,
        "times": charts.times,
        "charts": charts.charts,
        "kept": bool(samples),
    }
