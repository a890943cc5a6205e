"""How much people did is counted from the platform's journal and the org's log; our own writes are nobody's acts."""

from support.witnesses import RECORD, Witnesses, synced

from schemas.presets import preset
from simulator.observer.acts import PlatformActs, SalesforceActs, platform_acts, salesforce_acts

OTHER, LEAD = "003000000000002AAA", "00Q000000000001AAA"


def on_the_platform(*events: tuple[str, str]) -> PlatformActs:
    """These events, each of a type and a document, one after another."""
    witnesses = Witnesses(preset("ticketing"))
    for at, (kind, document) in enumerate(events):
        witnesses.sent(at, {}, type=kind, document=document, statuses=(500, 202, 202))
    return platform_acts(witnesses.journal, witnesses.mapping)


def in_salesforce(witnesses: Witnesses) -> SalesforceActs:
    """What its log tells."""
    return salesforce_acts(witnesses.commits, witnesses.mapping)


def test_what_the_platform_did_is_told_by_its_events() -> None:
    """Each once, however often it was posted; the first one of a thing makes it, whatever it is called."""
    acts = on_the_platform(
        ("customer.created", "cust-1"),
        ("customer.updated", "cust-1"),
        ("customer.updated", "cust-2"),
        ("customer.erased", "cust-2"),
        ("order.completed", "ord-1"),
        ("order.refunded", "ord-1"),
        ("order_line.created", "line-1"),
        ("order.deleted", "ord-1"),
    )
    assert acts == PlatformActs(created=4, updated=2, deleted=2, orders=1, refunds=1)
    assert acts.all == 8


def test_what_people_did_in_salesforce_is_told_apart_from_our_writes() -> None:
    """And each act from the others."""
    witnesses = synced()
    assert in_salesforce(witnesses) == SalesforceActs()
    witnesses.user(300, Title="Chair")
    witnesses.user(310, record=OTHER, LastName="Popescu")
    witnesses.merged(320, OTHER, RECORD)
    witnesses.ended(330, RECORD, "DELETE", IsDeleted=True)
    witnesses.undeleted(340, RECORD)
    witnesses.commits[-1]["type"] = "UNDELETE"
    acts = in_salesforce(witnesses)
    assert acts == SalesforceActs(created=1, updated=1, deleted=1, undeleted=1, merged=1)
    assert acts.all == 5


def test_only_what_a_document_was_linked_to_counts_as_converted_and_merged() -> None:
    """Sales convert and merge records that nobody knows, too; one that is linked afterwards was not known then."""
    witnesses = Witnesses()
    witnesses.user(100, record=LEAD, entity="Lead", LastName="Pop")
    witnesses.converted(110, LEAD, OTHER, LastName="Pop")
    witnesses.user(120, record="003000000000009AAA", LastName="Pop")
    witnesses.merged(130, "003000000000009AAA", OTHER)
    witnesses.ours(140, record=OTHER, LastName="Pop")
    acts = in_salesforce(witnesses)
    assert (acts.converted, acts.merged) == (0, 0)
    for number, (lead, contact) in enumerate([("00Q000000000002AAA", OTHER), ("00Q000000000003AAA", RECORD)]):
        witnesses.user(200 + number, record=lead, entity="Lead", LastName="Pop")
        witnesses.converted(210 + number, lead, contact, LastName="Pop")
    witnesses.merged(220, OTHER, RECORD)
    acts = in_salesforce(witnesses)
    assert (acts.converted, acts.merged) == (1, 1)
