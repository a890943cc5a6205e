"""How big the demo is and what happens in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

EVENTS_A_SECOND: Final = 60.0
"""What a laptop with two cores keeps up with while it runs every part of the demo."""
EDITS_PER_EVENT: Final = 0.3
DELETIONS_PER_EDIT: Final = 0.004
"""Records that sales delete, for each edit of theirs."""
FEWEST_DELETIONS: Final = 3
CONVERSIONS_PER_EDIT: Final = 0.004
"""Leads that sales convert, for each edit of theirs."""
FEWEST_CONVERSIONS: Final = 4
MERGES_PER_EDIT: Final = 0.002
"""People whom sales merge with somebody entered a second time, for each edit of theirs."""
FEWEST_MERGES: Final = 2
QUIET_SECONDS: Final = 4.0
"""How long nothing may have moved for both sides to be at rest."""
REST_SECONDS: Final = 180.0
"""How long both sides may take to come to rest."""
READY_SECONDS: Final = 60.0
TOLD_SECONDS: Final = 60.0
"""How long the platform may not have been told of what Salesforce changed, once both sides are at rest."""

SOURCE: Final = "tickets"

KILL_ROUNDS: Final = 4
"""How often `--kill` kills each process at least; in each of these rounds one of them is killed twice."""
KILL_SECONDS: Final = (1.0, 4.0)
"""The shortest and the longest time between two kills."""
KILL_SOON: Final = 0.3
"""How many of the kills come soon after the one before."""
KILL_SOON_SECONDS: Final = (0.0, 0.5)
AT_WORK_SECONDS: Final = 40.0
"""How long a process that was killed may take until it does its work again: what the killed one held, its membership
or its lease, has to run out first."""
KILL_SETTINGS: Final[Mapping[str, str]] = {
    "KAFKA_SESSION_TIMEOUT": "6",
    "CHANGES_LEASE_SECONDS": "5",
    "SALESFORCE_CALL_TIMEOUT_SECONDS": "6",
    "MERGE_ANSWER_SECONDS": "10",
    "MERGE_LONGEST_CALL_SECONDS": "15",
}
"""What a killed process leaves behind (its membership, its lease, its open write) is given up sooner than usual, so
that the demo comes to rest in reasonable time."""

SOON_SETTINGS: Final[Mapping[str, str]] = {
    "BUDGET_PROBE_SECONDS": "1",
    "BUDGET_SHARE_SECONDS": "2",
    "WRITER_ORG_WAIT_SECONDS": "2",
}
"""Where the org's calls have run out, it is soon looked whether there are some again: here they are back in seconds."""
EXHAUSTED_SECONDS: Final = 5.0
"""How long the org has no API calls left."""
LOCKS: Final[Mapping[str, Any]] = {"kind": "lock_row", "probability": 0.04, "count": 40}
"""Rows of ours that find a parent locked by somebody else."""

TRIGGERS: Final[tuple[Mapping[str, Any], ...]] = (
    {"object": "Contact", "action": "upper", "field": "Department"},
    {"object": "Contact", "action": "set", "field": "MailingCountry", "target": "Preferred_Language__c", "value": "ro"},
    {
        "object": "Contact",
        "action": "set",
        "field": "Title",
        "target": "Customer_Tier__c",
        "value": "Growth",
        "matches": "Producer|Organiser",
    },
)
"""What the org's administrator has set up: one rewrites a field, one sets another two-way field, one sets a field that
only Salesforce decides."""
TRIGGERS_IN_WORDS: Final = (
    "Department is put in capitals; a new MailingCountry sets Preferred_Language__c; some Titles set Customer_Tier__c"
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for. `seconds` is how long the edits may take at most; `conflicts` how many must be settled."""

    seed: int
    customers: int
    events: int
    seconds: float
    conflicts: int
    keep: bool = False
    plain: bool = False
    explain: bool = False
    kill: bool = False
    preset: str = ""
    """The mapping to play; empty: what `MAPPING_FILE` and `MAPPING_PRESET` say."""
    slowest: float = EVENTS_A_SECOND
    """Platform events a second at least, though there is time for fewer."""

    @property
    def settings(self) -> Mapping[str, str]:
        """Settings of the processes that this plan needs."""
        own = {"MAPPING_PRESET": self.preset} if self.preset else {}
        return {**SOON_SETTINGS, **(KILL_SETTINGS if self.kill else {}), **own}

    def spread(self, births: int) -> float:
        """Seconds that the platform takes, so that what is done in Salesforce is spread over the same time; `births` is
        how many things are made first."""
        return max(1.0, (births + self.events) / self.rate(births))

    def rate(self, births: int) -> float:
        """Platform events a second, where so many things are made first."""
        return max(self.slowest, (self.events + births) / self.seconds)

    @property
    def edits(self) -> int:
        """Edits in Salesforce."""
        return round(self.events * EDITS_PER_EVENT)

    @property
    def deletions(self) -> int:
        """Records that are deleted in Salesforce; people come back."""
        return max(FEWEST_DELETIONS, round(self.edits * DELETIONS_PER_EDIT))

    @property
    def conversions(self) -> int:
        """Leads of the platform's that are converted in Salesforce, one by one."""
        return max(FEWEST_CONVERSIONS, round(self.edits * CONVERSIONS_PER_EDIT))

    @property
    def merges(self) -> int:
        """Merges in Salesforce, every second one away from the record that the platform knows."""
        return max(FEWEST_MERGES, round(self.edits * MERGES_PER_EDIT))
