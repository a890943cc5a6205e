"""Examples of rules 18 to 20 and 24 to 26: first contact, and rows read whole."""

from support.merge_examples.story import Story, agreed, unknown


def rule_18() -> Story:
    """The person was in Salesforce before, with another phone: it is read first, and the `first` policy decides."""
    story = unknown({"Phone": "555 0199"}, policy="salesforce_wins")
    story.at(5).posts("555 0142", named=False)
    story.at(6).writes()
    story.at(9).reads()
    return story.ends(
        document="555 0199",
        salesforce="555 0199",
        outcomes="applied, applied",
        audit=(("18.salesforce_wins", "salesforce", "555 0142"),),
    )


def rule_19_first() -> Story:
    """The person was in Salesforce before: the record is linked, and nothing is written before it was read whole."""
    story = unknown({"Phone": "555 0199"})
    story.at(5).posts("555 0142", named=False)
    story.at(6).writes()
    return story.ends(document="555 0142", salesforce="555 0199", next_call="read, from 10:00:09", outcomes="applied")


def rule_19() -> Story:
    """A change is heard while the new record is read: that answer does not count, and it is read again."""
    story = unknown({"Phone": "555 0199"})
    story.at(5).posts("555 0199", named=False)
    story.at(6).writes()
    row = story.at(9).begins_read()
    story.salesforce_sets("555 0198")
    story.at(10).answers_read(row)
    story.at(12).reads()
    return story.ends(
        document="555 0198",
        salesforce="555 0198",
        outcomes="applied, applied, deferred, applied",
        audit=(("18.salesforce_wins", "salesforce", "555 0199"),),
    )


def rule_20() -> Story:
    """The first write gets no answer: it may land for ten minutes yet, so the record is looked up until then."""
    story = unknown(None)
    story.at(5).posts("555 0142", named=False)
    story.at(6).writes("lost")
    story.at(7).writes()
    story.at(606).writes()
    return story.ends(
        document="555 0142",
        salesforce="555 0142",
        next_call="read, from 10:10:09",
        outcomes="applied",
    )


def rule_24() -> Story:
    """A user saves in the very second of a read, which may have missed it: the record is read again."""
    story = agreed(about="title")
    story.at(5).posts("555 0142")
    story.at(6).writes()
    story.at(36).salesforce_sets("VIP", name="Title", heard=False)
    story.reads()
    story.at(37).reads()
    return story.ends(document="VIP", salesforce="VIP", outcomes="applied, deferred, applied")


def rule_25() -> Story:
    """A user's edit is written over before it was heard of. The row shows our write; the edit is not lost silently."""
    story = agreed()
    story.at(5).posts("555 0142")
    story.at(6).salesforce_sets("555 0199", heard=False)
    story.at(7).writes()
    story.at(37).reads()
    story.at(38).event_comes()
    return story.ends(
        document="555 0199",
        salesforce="555 0142",
        next_call="write Phone = `555 0199`",
        outcomes="applied, applied, applied",
        audit=(("13.salesforce_wins", "salesforce", "555 0142"),),
    )


def rule_26() -> Story:
    """A trigger rewrote our write and its event never came: the row, which bears our token, tells."""
    story = agreed()
    story.trigger("555 0142", {"Phone": "+1 555 0142"}, "a trigger puts `+1` before a phone")
    story.at(5).posts("555 0142")
    story.at(6).writes()
    story.at(36).reads()
    return story.ends(
        document="+1 555 0142",
        salesforce="+1 555 0142",
        outcomes="applied, applied",
        audit=(("26", "salesforce", "555 0142"),),
    )


def rule_29() -> Story:
    """The phone was only filled so far. A new version lets the platform's value through, which had been held back."""
    story = agreed(policy="fill_only")
    story.at(5).posts("555 0142")
    story.at(60).mapping_is_published("Phone", "the policy of the phone is `latest_wins` now", policy="latest_wins")
    return story.ends(
        document="555 0142", salesforce="555 0100", next_call="write Phone = `555 0142`", outcomes="applied"
    )
