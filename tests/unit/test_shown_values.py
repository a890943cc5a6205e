"""Rule 4's last eight values: those that a document has shown, however many pass through it in one update."""

from consumers.rules.state import SHOWN_VALUES_KEPT, FieldState, Side


def shown_after(field: FieldState, values: range, revision: int, *, each_its_own: bool = False) -> tuple[object, ...]:
    for step, value in enumerate(values):
        update = revision + step if each_its_own else revision
        field.show(value, Side.PLATFORM, made_at=value, at=value, revision=update)
    return field.shown


def test_the_last_eight_are_kept() -> None:
    """One value an update: the oldest goes."""
    assert shown_after(FieldState(), range(20), 1, each_its_own=True) == tuple(range(11, 19))


def test_values_that_pass_in_one_update_push_out_nothing_that_was_seen() -> None:
    """After an outage twenty edits are one update: whoever had loaded the page before it is still known by it."""
    field = FieldState()
    assert shown_after(field, range(3), 1, each_its_own=True) == (0, 1)
    kept = shown_after(field, range(100, 120), 9)
    assert len(kept) == SHOWN_VALUES_KEPT
    assert kept[:3] == (0, 1, 2)
    assert kept[3:] == tuple(range(114, 119))


def test_what_passed_ages_like_the_others_in_later_updates() -> None:
    """An update later it is a value like every other, and the oldest goes again."""
    field = FieldState()
    shown_after(field, range(3), 1, each_its_own=True)
    shown_after(field, range(100, 120), 9)
    assert shown_after(field, range(200, 202), 10, each_its_own=True) == (2, 114, 115, 116, 117, 118, 119, 200)
