"""Rule 13: a conflict is settled by the field's policy. The same for `first` on first contact (rule 18)."""

from typing import assert_never

from consumers.rules.state import Side
from schemas.mapping import Policy


def winner(policy: Policy, *, platform_at: int, salesforce_at: int, salesforce_empty: bool) -> Side | None:
    """Who wins; None where a person has to choose.

    Times are when each side's value last changed, epoch milliseconds; a tie goes to Salesforce.
    """
    match policy:
        case Policy.SALESFORCE_WINS:
            return Side.SALESFORCE
        case Policy.PLATFORM_WINS:
            return Side.PLATFORM
        case Policy.LATEST_WINS:
            return Side.PLATFORM if platform_at > salesforce_at else Side.SALESFORCE
        case Policy.FILL_ONLY:
            return Side.PLATFORM if salesforce_empty else Side.SALESFORCE
        case Policy.REVIEW:
            return None
        case _:
            assert_never(policy)
