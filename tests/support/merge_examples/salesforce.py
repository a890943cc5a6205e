"""Examples of rules 1 and 8 to 12: what Salesforce's change events say."""

from support.merge_examples.story import Story, agreed


def rule_1() -> Story:
    """The stream goes back to an earlier point: its events come a second time and change nothing."""
    story = agreed()
    story.at(5).salesforce_sets("555 0199")
    story.at(6).salesforce_sets("555 0198")
    story.at(60).stream_begins_again(events=2)
    return story.ends(document="555 0198", salesforce="555 0198", outcomes="applied, applied, duplicate, duplicate")


def rule_8() -> Story:
    """Our own write comes back with our token: an echo."""
    story = agreed()
    story.at(5).posts("555 0142")
    story.at(6).writes()
    story.at(7).event_comes()
    return story.ends(document="555 0142", salesforce="555 0142", outcomes="applied, echo")


def rule_9() -> Story:
    """Once our write is confirmed the sides agree, so the next edit in Salesforce has seen it and wins outright."""
    story = agreed(policy="platform_wins")
    story.at(5).posts("555 0142")
    story.at(6).writes()
    story.at(7).event_comes()
    story.at(8).salesforce_sets("555 0199")
    return story.ends(document="555 0199", salesforce="555 0199", outcomes="applied, echo, applied")


def rule_10() -> Story:
    """A trigger puts the phone into its own form: that is taken over, and nobody writes again."""
    story = agreed()
    story.trigger("555 0142", {"Phone": "+1 555 0142"}, "a trigger puts `+1` before a phone")
    story.at(5).posts("555 0142")
    story.at(6).writes()
    story.at(7).event_comes()
    return story.ends(
        document="+1 555 0142",
        salesforce="+1 555 0142",
        outcomes="applied, applied",
        audit=(("10", "salesforce", "555 0142"),),
    )


def rule_11() -> Story:
    """We write the phone; a flow that sees it sets the title. It wins though our title was never confirmed."""
    story = agreed(policy="platform_wins", about="title")
    story.trigger("555 0142", {"Title": "VIP"}, "a flow sets Title = `VIP` where Phone becomes `555 0142`")
    story.at(1).posts("Buyer", name="title")
    story.at(2).writes()
    story.at(3).event_is_lost()
    story.at(30).posts("555 0142")
    story.at(31).writes()
    story.at(33).event_comes()
    story.at(36).reads()
    return story.ends(document="VIP", salesforce="VIP", outcomes="applied, applied, applied, applied")


def rule_12() -> Story:
    """Salesforce's next value over its own needs no judge; over a platform value that has not landed it does."""
    story = agreed()
    story.at(5).salesforce_sets("555 0198")
    story.at(6).salesforce_sets("555 0199")
    story.at(15).posts("555 0142")
    story.at(16).salesforce_sets("555 0197")
    return story.ends(
        document="555 0197",
        salesforce="555 0197",
        outcomes="applied, applied, applied, applied",
        audit=(("13.salesforce_wins", "salesforce", "555 0142"),),
    )
