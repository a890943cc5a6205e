"""How big the demo is and what happens in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

EVENTS_A_SECOND: Final = 60.0
"""What a laptop with two cores keeps up with while it runs every part of the demo."""
EDITS_PER_EVENT: Final = 0.3
QUIET_SECONDS: Final = 4.0
"""How long nothing may have moved for both sides to be at rest."""
REST_SECONDS: Final = 180.0
"""How long both sides may take to come to rest."""
READY_SECONDS: Final = 60.0

SOURCE: Final = "tickets"

KILL_ROUNDS: Final = 4
"""How often `--kill` kills each process at least; each is killed twice in one of these rounds."""
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

    @property
    def settings(self) -> Mapping[str, str]:
        """Settings of the processes that this plan needs."""
        return KILL_SETTINGS if self.kill else {}

    @property
    def rate(self) -> float:
        """Platform events a second."""
        return max(EVENTS_A_SECOND, (self.events + self.customers) / self.seconds)

    @property
    def edits(self) -> int:
        """Edits in Salesforce."""
        return round(self.events * EDITS_PER_EVENT)

    @property
    def edit_rate(self) -> float:
        """Edits in Salesforce a second: spread over the same time as the platform's events."""
        return max(1.0, self.edits / (self.events / self.rate)) if self.events else 1.0
