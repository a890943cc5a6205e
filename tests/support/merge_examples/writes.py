"""Examples of rules 14 to 17, 27 and 28: what is written, and what is not."""

from support.merge_examples.story import Story, agreed


def rule_14() -> Story:
    """After the answer nothing is due; when the event stays away for half a minute, the record is read."""
    story = agreed()
    story.at(5).posts("555 0142")
    story.at(6).writes()
    story.at(36).reads()
    return story.ends(document="555 0142", salesforce="555 0142", outcomes="applied, applied")


def rule_15() -> Story:
    """The writer is killed: nothing is sent while its request may be open, then under a new number."""
    story = agreed()
    story.at(5).posts("555 0142")
    story.at(6).writes("killed")
    story.at(10).posts("555 0143")
    story.at(11).writes()
    story.at(156).writes()
    return story.ends(
        document="555 0143",
        salesforce="555 0143",
        next_call="read, from 10:03:06",
        outcomes="applied, applied",
    )


def rule_15_late() -> Story:
    """A request that nobody answered lands after its successor: its token tells, and the value is due again."""
    story = agreed()
    story.at(5).posts("555 0142")
    story.at(6).writes("late")
    story.at(10).posts("555 0143")
    story.at(11).writes()
    story.at(12).event_comes()
    story.at(20).lands_late()
    return story.ends(
        document="555 0143",
        salesforce="555 0142",
        next_call="write Phone = `555 0143`",
        outcomes="applied, applied, echo, echo",
    )


def rule_16() -> Story:
    """Twelve writes within seconds are all kept; ten minutes later the last eight are."""
    story = agreed()
    story.edits_and_writes([f"555 02{number:02}" for number in range(12)])
    story.at(700).edits_and_writes(["555 0300"])
    return story.ends(document="555 0300", salesforce="555 0300", outcomes="12 writes kept, 8 writes kept")


def rule_17() -> Story:
    """Both sides make the same edit: nothing to settle, and whoever edits next wins outright."""
    story = agreed(policy="platform_wins")
    story.at(5).posts("555 0142")
    story.at(6).salesforce_sets("555 0142")
    story.at(7).salesforce_sets("555 0199")
    return story.ends(document="555 0199", salesforce="555 0199", outcomes="applied, applied, applied")


def rule_27() -> Story:
    """White space at the ends is kept and makes no difference; an empty text and nothing are the same."""
    story = agreed()
    story.at(5).posts(" 555 0100 ")
    story.at(10).posts("")
    story.at(11).writes()
    story.at(12).event_comes()
    story.at(20).salesforce_sets(None)
    return story.ends(document="", salesforce=None, outcomes="applied, applied, echo, applied")


def rule_28() -> Story:
    """A field that is pushed only: an edit in Salesforce is written over, and audited."""
    story = agreed(about="total")
    story.at(5).posts(5, name="total")
    story.at(6).writes()
    story.at(7).event_comes()
    story.at(20).salesforce_sets(9, name="Total__c")
    story.at(21).writes()
    return story.ends(
        document=5,
        salesforce=5,
        next_call="read, from 10:00:51",
        outcomes="applied, echo, applied",
        audit=(("13.push_only", "platform", 9),),
    )


def rule_28_a_total_follows_from_the_orders() -> Story:
    """A total is taken of the orders whenever one changes; what the platform posts of the total does not count."""
    story = agreed(about="total")
    story.total_is_of_orders()
    story.at(5).orders_come_to(30, "An order of 30 is heard")
    story.at(6).writes()
    story.at(7).event_comes()
    story.at(10).orders_come_to(50, "An order of 20 is heard, late")
    story.at(15).posts(99, name="total")
    story.at(20).orders_come_to(20, "The order of 30 is refunded")
    story.at(21).writes()
    return story.ends(
        document=20,
        salesforce=20,
        next_call="read, from 10:00:51",
        outcomes="echo, applied",
    )
