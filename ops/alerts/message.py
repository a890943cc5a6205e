"""An alert's message, as mail, chat and pagers show it: a title and a few lines, counts and kinds alone."""

from collections.abc import Iterator
from dataclasses import dataclass

from ops.admin.sign import Level
from ops.alerts.rules import Alert, Due
from ops.reviews_view import age


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent. `level` is that of the worst in it, WELL where it only tells what is over."""

    title: str
    body: str
    level: Level


def message(due: Due, *, page: str, now: int) -> Message:
    """What to send. `page` is the address of the admin page; without one no links are told."""
    open_ones = [*due.fired, *due.going_on]
    level = Level.WELL
    if open_ones:
        level = Level.ILL if any(each.level is Level.ILL for each in open_ones) else Level.LOOK
    return Message(_title(due, level), "\n".join(_lines(due, page.rstrip("/"), now)), level)


def _title(due: Due, level: Level) -> str:
    open_ones = [*due.fired, *due.going_on]
    if not open_ones:
        return f"Tandem: over: {due.resolved[0].told}" + _more(len(due.resolved))
    worst = next(each for each in open_ones if each.level is level)
    return f"Tandem: {'not well' if level is Level.ILL else 'look at this'}: {worst.told}" + _more(len(open_ones))


def _more(count: int) -> str:
    return f", and {count - 1} more" if count > 1 else ""


def _lines(due: Due, page: str, now: int) -> Iterator[str]:
    for heading, alerts in (("New", due.fired), ("Still", due.going_on), ("Over", due.resolved)):
        for alert in alerts:
            yield f"{heading}: {alert.told} (since {age(now - alert.since)}{_kind(alert)})"
            if page and alerts is not due.resolved:
                yield f"  {page}{alert.to}"
            if alerts is not due.resolved:
                yield f"  quiet for a while: tandem alerts silence {alert.name}"


def _kind(alert: Alert) -> str:
    return ", it stands still or may be lost" if alert.level is Level.ILL else ""
