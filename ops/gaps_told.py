"""What is said of gaps as they are repaired: one line when it begins to matter, and none when nothing is new."""

from typing import assert_never

from consumers.repair.repairer import Closed, NeedsPerson, Published, Repaired, Waits
from consumers.repair.rounds import Told
from ops.processes.frame import Frame
from schemas.gap import Found, GapRow
from schemas.unavailable import Unavailable


def told_in(frame: Frame) -> Told:
    """Lines and metrics of this process. What a person is needed for is a critical line, once for each gap."""
    last: dict[str, str] = {}

    def told(gap: GapRow, repaired: Repaired | Unavailable) -> None:
        about = {"gap": gap.id, "reason": str(gap.reason)}
        news = str(repaired)
        if last.get(gap.id) == news:
            return
        last[gap.id] = news
        match repaired:
            case Closed(found, note):
                del last[gap.id]
                frame.metrics.gap_closed(gap.reason, found)
                frame.log.info("gap_closed", **about, **_counts(found), note=note)
            case Published(found):
                frame.log.info("gap_published", **about, **_counts(found))
            case Waits(why):
                frame.log.info("gap_waits", **about, why=why)
            case NeedsPerson(why):
                frame.log.critical("gap_needs_a_person", **about, why=why)
            case Unavailable():
                frame.log.warning("gap_not_repaired", **about, why=str(repaired))
            case _:
                assert_never(repaired)

    return told


def _counts(found: Found) -> dict[str, int]:
    looked = {"looked_at": found.looked, "published": found.published}
    return {**looked, "deleted": found.deleted, "unheard": found.unheard}
