"""Examples of rules 2 to 7 and 13: what the platform says."""

from consumers.rules.state import Side
from support.merge_examples.story import Story, agreed


def rule_2() -> Story:
    """An event dated in the future occurred when it came, so the next one is not stale; and an event counts once."""
    story = agreed()
    story.at(1).posts("555 0142", dated=30)
    event = story.at(2).posts("555 0143", dated=2)
    story.at(3).posts_again(event, "555 0143", dated=2)
    return story.ends(
        document="555 0143",
        salesforce="555 0100",
        next_call="write Phone = `555 0143`",
        outcomes="applied, applied, duplicate",
    )


def rule_3() -> Story:
    """An event that was overtaken by a newer one is stale."""
    story = agreed()
    story.at(10).posts("555 0143", dated=10)
    story.at(11).posts("555 0142", dated=5)
    return story.ends(
        document="555 0143",
        salesforce="555 0100",
        next_call="write Phone = `555 0143`",
        outcomes="applied, stale",
    )


def rule_4() -> Story:
    """Somebody saves a page that still shows the old phone: that is no edit."""
    story = agreed()
    story.at(5).salesforce_sets("555 0199")
    story.at(15).posts("555 0100", named=False)
    return story.ends(document="555 0199", salesforce="555 0199", outcomes="applied, applied")


def rule_5() -> Story:
    """An edit made ten seconds after Salesforce's value was shown wins without a conflict."""
    story = agreed()
    story.at(5).salesforce_sets("555 0199")
    story.at(15).posts("555 0142")
    return story.ends(
        document="555 0142",
        salesforce="555 0199",
        next_call="write Phone = `555 0142`",
        outcomes="applied, applied",
    )


def rule_6() -> Story:
    """A whole record brings a new value; nobody knows when it was typed."""
    story = agreed()
    story.at(5).salesforce_sets("555 0199")
    story.at(15).posts("555 0142", named=False)
    return story.ends(
        document="555 0142",
        salesforce="555 0199",
        next_call="write Phone = `555 0142`",
        outcomes="applied, applied",
        audit=(("6", "platform", "555 0199"),),
    )


def rule_7() -> Story:
    """Two people edit within a second of each other; neither could see the other's value."""
    story = agreed(policy="salesforce_wins")
    story.at(5).salesforce_sets("555 0199")
    story.at(6).posts("555 0142", dated=4)
    return story.ends(
        document="555 0199",
        salesforce="555 0199",
        outcomes="applied, applied",
        audit=(("13.salesforce_wins", "salesforce", "555 0142"),),
    )


def rule_13() -> Story:
    """Salesforce's edit was made before the platform's had landed: a conflict. The platform's is written over it."""
    story = agreed(policy="platform_wins")
    story.at(5).posts("555 0142")
    story.at(6).salesforce_sets("555 0199")
    story.at(7).writes()
    story.at(8).event_comes()
    return story.ends(
        document="555 0142",
        salesforce="555 0142",
        outcomes="applied, applied, echo",
        audit=(("13.platform_wins", "platform", "555 0199"),),
    )


def rule_13_latest() -> Story:
    """The same under `latest_wins`: the later edit stays."""
    story = agreed(policy="latest_wins")
    story.at(5).posts("555 0142")
    story.at(6).salesforce_sets("555 0199")
    return story.ends(
        document="555 0199",
        salesforce="555 0199",
        outcomes="applied, applied",
        audit=(("13.latest_wins", "salesforce", "555 0142"),),
    )


def rule_13_review() -> Story:
    """Under `review` both values wait for a person, and nothing is written; the choice goes to both sides."""
    story = agreed(policy="review")
    story.at(5).posts("555 0142")
    story.at(6).salesforce_sets("555 0199")
    story.at(600).person_chooses(Side.PLATFORM)
    return story.ends(
        document="555 0142",
        salesforce="555 0199",
        next_call="write Phone = `555 0142`",
        outcomes="applied, applied",
        audit=(("13.review", "nobody", None), ("13.review", "platform", "555 0199")),
    )


def rule_13_fill_only() -> Story:
    """Under `fill_only` a value in Salesforce is never overwritten; once somebody empties it there, it is filled."""
    story = agreed(policy="fill_only")
    story.at(5).posts("555 0142")
    story.at(60).salesforce_sets(None)
    return story.ends(
        document="555 0142",
        salesforce=None,
        next_call="write Phone = `555 0142`",
        outcomes="applied, applied",
        audit=(("13.fill_only", "platform", None),),
    )


def rule_13_union() -> Story:
    """Under `union` both sides end with what either has; the next edit, made with that in view, may take one out."""
    story = agreed(policy="union", about="skills", first=["python"])
    story.at(5).posts(["python", "kafka"], name="skills")
    story.at(6).salesforce_sets("python;sales", name="Skills__c")
    story.at(7).writes()
    story.at(8).event_comes()
    story.at(60).salesforce_sets("kafka;sales", name="Skills__c")
    return story.ends(
        document=["kafka", "sales"],
        salesforce="kafka;sales",
        outcomes="applied, applied, echo, applied",
        audit=(("13.union", "both", None),),
    )


def rule_13_max() -> Story:
    """Under `max` the greater number stays, whoever has it and whenever it was set."""
    story = agreed(policy="max", about="best_score", first=70)
    story.at(5).posts(91, name="best_score")
    story.at(6).salesforce_sets(84, name="Best_Score__c")
    return story.ends(
        document=91,
        salesforce=84,
        next_call="write Best_Score__c = `91`",
        outcomes="applied, applied",
        audit=(("13.max", "platform", 84),),
    )


def rule_13_min() -> Story:
    """Under `min` the earlier date stays."""
    story = agreed(policy="min", about="first_visit", first="2026-05-01")
    story.at(5).posts("2025-09-12", name="first_visit")
    story.at(6).salesforce_sets("2024-03-30", name="First_Visit__c")
    return story.ends(
        document="2024-03-30",
        salesforce="2024-03-30",
        outcomes="applied, applied",
        audit=(("13.min", "salesforce", "2025-09-12"),),
    )
