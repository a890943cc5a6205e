"""Which alerts people are told of now. No I/O: signs and the time come in, what to tell goes out.

A sign is told once it has lasted a while, together with all others that are due; again where it goes on; and once more
when it has been away for a while. One that somebody silenced is watched and not told.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ops.admin.sign import HOUR, MINUTE, Level, Sign


@dataclass(frozen=True, slots=True)
class AlertPolicy:
    """Milliseconds. What is ill stands still or may be lost; what is to be looked at has time."""

    ill_after: int = MINUTE
    look_after: int = 15 * MINUTE
    resolved_after: int = 3 * MINUTE
    ill_again: int = 4 * HOUR
    look_again: int = 24 * HOUR

    def after(self, level: Level) -> int:
        """How long a sign of this level lasts before it is told."""
        return self.ill_after if level is Level.ILL else self.look_after

    def again(self, level: Level) -> int:
        """After how long one that goes on is told again."""
        return self.ill_again if level is Level.ILL else self.look_again


@dataclass(frozen=True, slots=True)
class Alert:
    """A sign that was seen. Times are epoch milliseconds; `told_at` is 0 while nobody was told."""

    name: str
    level: Level
    told: str
    to: str
    since: int
    seen_at: int
    told_at: int = 0
    told_level: Level = Level.WELL
    silenced_until: int = 0
    silenced_by: str = ""

    def silenced(self, now: int) -> bool:
        """Whether somebody has asked for quiet about it."""
        return now < self.silenced_until


Alerts = Mapping[str, Alert]
"""By name."""


@dataclass(frozen=True, slots=True)
class Due:
    """What people are to be told now, in one message: what is new or worse, what goes on, what is over."""

    fired: Sequence[Alert] = ()
    going_on: Sequence[Alert] = ()
    resolved: Sequence[Alert] = ()

    def __bool__(self) -> bool:
        return bool(self.fired or self.going_on or self.resolved)


_ORDER: Final = (Level.ILL, Level.LOOK, Level.WELL)


def observe(known: Alerts, signs: Iterable[Sign], *, now: int) -> dict[str, Alert]:
    """All that is known once these signs were seen. Of several of one name the worst counts."""
    seen = dict(known)
    for sign in sorted(signs, key=lambda one: _ORDER.index(one.level), reverse=True):
        before = known.get(sign.name)
        fresh = Alert(sign.name, sign.level, sign.told, sign.to, since=now, seen_at=now)
        seen[sign.name] = (
            fresh if before is None else replace(before, level=sign.level, told=sign.told, to=sign.to, seen_at=now)
        )
    return seen


def due(alerts: Alerts, policy: AlertPolicy, *, now: int) -> Due:
    """What to tell now."""
    fired, going_on, resolved = list[Alert](), list[Alert](), list[Alert]()
    for alert in _by_weight(alerts.values()):
        if alert.silenced(now):
            continue
        if _is_over(alert, policy, now):
            if alert.told_at:
                resolved.append(alert)
        elif alert.seen_at < now:
            continue  # away, and not for long enough to say so
        elif not alert.told_at or _ORDER.index(alert.level) < _ORDER.index(alert.told_level):
            if now - alert.since >= policy.after(alert.level):
                fired.append(alert)
        elif now - alert.told_at >= policy.again(alert.level):
            going_on.append(alert)
    return Due(fired, going_on, resolved)


def told(alerts: Alerts, message: Due, *, now: int) -> dict[str, Alert]:
    """The same, once people have been told."""
    heard = {alert.name for alert in (*message.fired, *message.going_on)}
    return {
        name: replace(alert, told_at=now, told_level=alert.level) if name in heard else alert
        for name, alert in alerts.items()
    }


def over(alerts: Alerts, policy: AlertPolicy, *, now: int) -> set[str]:
    """Those that are away long enough to be forgotten, once that has been told."""
    return {name for name, alert in alerts.items() if _is_over(alert, policy, now)}


def _is_over(alert: Alert, policy: AlertPolicy, now: int) -> bool:
    return now - alert.seen_at >= policy.resolved_after


def _by_weight(alerts: Iterable[Alert]) -> list[Alert]:
    return sorted(alerts, key=lambda alert: (_ORDER.index(alert.level), alert.since, alert.name))
