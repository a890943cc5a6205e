"""What a redrive means to the rules: a refused write may be sent again, and a change that was parked is made good."""

from typing import Final

from consumers.rules.state import DocumentState
from schemas.outcome import Outcome, Result

OVERTAKEN: Final = "rule 1: a parked change was redriven after later ones; the record is read whole"


def send_again(state: DocumentState) -> bool:
    """Let the writer try a refused write, or deletion, as if it had never been refused; whether there was one.

    What it holds is what is due by then. The tries begin anew.
    """
    if state.refusal is None:
        return False
    state.refusal = state.retry = None
    return True


def after_redrive(state: DocumentState, result: Result) -> Result:
    """How a redriven change ends.

    By rule 1 it is a duplicate where later changes of its record were heard meanwhile, though nobody has heard what it
    said: what came of it stands in the record, which is read whole.
    """
    if result.outcome is not Outcome.DUPLICATE or state.record is None:
        return result
    state.read_reason = "a parked change was redriven after later ones"
    return Result(Outcome.APPLIED, OVERTAKEN)
