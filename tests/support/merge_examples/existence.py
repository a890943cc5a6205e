"""Examples of rules 21 to 23: records that are deleted, come back, or become another record."""

from support.merge_examples.story import Story, agreed


def rule_21() -> Story:
    """The record is deleted: nothing is written until it comes back, and then it is read first."""
    story = agreed()
    story.at(5).salesforce_deletes()
    story.at(6).writes()
    story.at(15).posts("555 0142")
    story.at(60).salesforce_undeletes()
    story.at(63).reads()
    return story.ends(
        document="555 0142",
        salesforce="555 0100",
        next_call="write Phone = `555 0142`",
        outcomes="applied, applied, applied, applied",
    )


def rule_22() -> Story:
    """An edit made before the deletion is stale; one made after it revives the customer."""
    story = agreed()
    story.at(10).platform_deletes()
    story.at(11).posts("555 0142", dated=9)
    story.at(12).posts("555 0143", dated=12)
    return story.ends(
        document="555 0143",
        salesforce="555 0100",
        next_call="write Phone = `555 0143`",
        outcomes="applied, stale, applied",
    )


def rule_22_delete() -> Story:
    """Where the mapping says so, the record goes with the customer."""
    story = agreed(on_delete={"platform": "delete"})
    story.at(10).platform_deletes()
    story.at(11).writes()
    return story.ends(document="555 0100", salesforce="no record", outcomes="applied")


def rule_22_recreate() -> Story:
    """Where the mapping says so, a record that somebody deleted is made anew."""
    story = agreed(on_delete={"salesforce": "recreate"})
    story.at(10).salesforce_deletes()
    story.at(11).writes()
    story.at(12).writes()
    return story.ends(
        document="555 0100",
        salesforce="555 0100",
        next_call="read, from 10:00:15",
        outcomes="applied",
    )


def rule_23() -> Story:
    """Two contacts are merged: the document goes with the one that is left, which is read before it is written to."""
    story = agreed()
    story.at(5).posts("555 0142")
    story.at(6).salesforce_merges({"Phone": "555 0100"})
    story.at(7).writes()
    story.at(10).reads()
    story.at(11).writes()
    return story.ends(
        document="555 0142",
        salesforce="555 0142",
        next_call="read, from 10:00:41",
        outcomes="applied, applied, applied",
    )
