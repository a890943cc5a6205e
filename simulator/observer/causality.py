"""Who could have seen what, and so which edit takes the place of which."""

from collections.abc import Sequence

from simulator.observer.authorship import MappedField, PlatformEdit, SalesforceEdit, Standing, could_look
from simulator.observer.history import Seen, value_at

Edit = PlatformEdit | SalesforceEdit


class Sight:
    """What the authors of one field of one document could have seen.

    Each side's authors could have seen what their own side did before, in its own order: by `occurred_at` on the
    platform, by commit in Salesforce. Across the sides it takes evidence: the value stood in the record just before the
    commit, or the platform had looked at a document that showed it.
    """

    def __init__(self, mapped: MappedField, looks: Sequence[Seen]) -> None:
        self._looks = [(look, mapped.key(value_at(look.fields, mapped.path))) for look in looks]

    def could_have_seen(self, author: Edit, earlier: Edit) -> bool:
        """Whether the author of the one edit could have seen the value of the other."""
        match author, earlier:
            case PlatformEdit(), PlatformEdit():
                return (author.at, author.event.place) > (earlier.at, earlier.event.place)
            case PlatformEdit(), SalesforceEdit():
                return self._looked(author, earlier)
            case SalesforceEdit(), PlatformEdit():
                return earlier.key in author.over and not self._looked(earlier, author)
            case SalesforceEdit(), SalesforceEdit():
                return author.commit.place > earlier.commit.place and earlier.key in author.over
        raise AssertionError("the four pairs are all there are")

    def _looked(self, author: PlatformEdit, edit: SalesforceEdit) -> bool:
        """The value stood in the document, after it was committed, when the platform's author looked."""
        return any(
            key == edit.key and look.at >= edit.at and could_look(look, author.event) for look, key in self._looks
        )


def superseded(edit: Edit, all_edits: Sequence[Edit], sight: Sight) -> bool:
    """Whether another edit took this one's place whose author could have seen it.

    An edit that sets the same value again takes its place only if it is judged, because then it is judged itself.
    """
    return any(
        other is not edit
        and (other.key != edit.key or other.judged)
        and not _restated(other)
        and sight.could_have_seen(other, edit)
        for other in all_edits
    )


def tied_with_settled(edit: Edit, all_edits: Sequence[Edit], settled: set[int]) -> bool:
    """Two platform edits of one millisecond: their order is nobody's to know, so the fate of either will do for both.

    `settled` holds the identities of the edits that survived or are in the audit.
    """
    return isinstance(edit, PlatformEdit) and any(
        isinstance(other, PlatformEdit) and other.at == edit.at and id(other) in settled for other in all_edits
    )


def _restated(edit: Edit) -> bool:
    return isinstance(edit, PlatformEdit) and edit.standing is Standing.RESTATED
