"""A mapping that cannot be used says where it is wrong and what is allowed."""

from collections.abc import Callable
from typing import Any

import pytest

from schemas.mapping_reading import InvalidMapping, parse_mapping

Change = Callable[[dict[str, Any]], Any]


def good() -> dict[str, Any]:
    """Two kinds kept in one object, without a fault."""
    return {
        "kinds": {
            "customer": {
                "collection": "customers",
                "sobject": "Contact",
                "external_id": "Tandem_Customer_Id__c",
                "token": "Tandem_Customer_Write__c",
                "events": {"customer.updated": "values"},
                "fields": [
                    {"platform": "email", "salesforce": "Email"},
                    {"platform": "phone", "salesforce": "Phone", "transform": ["phone_e164"], "region": "RO"},
                    {"platform": "address.city", "salesforce": "MailingCity"},
                    {"platform": "spent", "salesforce": "Spent__c", "direction": "push"},
                ],
            },
            "participant": {
                "collection": "participants",
                "sobject": "Contact",
                "external_id": "Tandem_Participant_Id__c",
                "token": "Tandem_Participant_Write__c",
                "events": {"participant.registered": "values"},
                "fields": [
                    {"platform": "email", "salesforce": "Email", "direction": "pull"},
                    {"platform": "shirt", "salesforce": "Shirt__c"},
                ],
            },
        }
    }


COUNT = {"take": "count", "of": "participant", "by": "email"}


def customer(**changes: Any) -> Change:
    """Set settings of the first kind."""
    return lambda raw: raw["kinds"]["customer"].update(changes)


def participant(**changes: Any) -> Change:
    """Set settings of the second kind."""
    return lambda raw: raw["kinds"]["participant"].update(changes)


def field(number: int, kind: str = "customer", **changes: Any) -> Change:
    """Set settings of one field."""
    return lambda raw: raw["kinds"][kind]["fields"][number].update(changes)


def without(name: str) -> Change:
    """Take a setting out of the first kind."""
    return lambda raw: raw["kinds"]["customer"].pop(name)


def both(*changes: Change) -> Change:
    """One after the other."""
    return lambda raw: [change(raw) for change in changes]


def test_a_good_mapping_is_read() -> None:
    """What the other tests break is whole to begin with."""
    assert list(parse_mapping(good()).kinds) == ["customer", "participant"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            field(2, policy="newest"),
            (
                'kinds.customer.fields[2].policy: "newest" is not allowed; '
                "allowed: salesforce_wins, platform_wins, latest_wins, review, fill_only, union, max, min"
            ),
        ),
        (
            field(2, direction="both ways"),
            'kinds.customer.fields[2].direction: "both ways" is not allowed; allowed: push, pull, both',
        ),
        (
            field(2, transform=["trim", "title"]),
            (
                'kinds.customer.fields[2].transform[1]: "title" is not allowed; '
                "allowed: trim, lower, upper, phone_e164, domain, date, datetime, number, multi_select"
            ),
        ),
        (
            field(2, transform="trim"),
            'kinds.customer.fields[2].transform: "trim" is not allowed; must be a list, [a, b]',
        ),
        (
            field(2, polcy="latest_wins"),
            (
                "kinds.customer.fields[2].polcy: is not known here; did you mean policy? "
                "allowed: platform, salesforce, direction, policy, first, transform, region, zone, scale, picklist, "
                "lookup, lead, required"
            ),
        ),
        (
            customer(table="customers"),
            (
                "kinds.customer.table: is not known here; allowed: collection, sobject, external_id, token, events, "
                "on_delete, on_unlinked, match, lead, create, consent, defaults, on_merge, "
                "filters, whole_records, enrichment, fields"
            ),
        ),
        (without("token"), "kinds.customer.token: is missing"),
        (
            field(2, lookup="company", transform=[]),
            'kinds.customer.fields[2].lookup: "company" is no kind; allowed: customer, participant',
        ),
        (
            field(2, lookup="participant", transform=["trim"]),
            "kinds.customer.fields[2].transform: [trim] is not allowed with a lookup, whose values are ids",
        ),
        (
            field(2, required=True),
            "kinds.customer.fields[2].required: true is not allowed here; it goes with a lookup",
        ),
        (
            field(2, lookup="participant", required=True, direction="pull", transform=[]),
            "kinds.customer.fields[2].required: true is not allowed with direction pull, which writes nothing",
        ),
        (
            customer(match={"by": ["Email", "Fax"]}),
            'kinds.customer.match.by[1]: "Fax" is no mapped field; allowed: Email, Phone, MailingCity, Spent__c',
        ),
        (
            customer(match={"by": ["Email"], "prefer": [{"take": "newest", "field": "CreatedDate"}]}),
            'kinds.customer.match.prefer[0].take: "newest" is not allowed; allowed: present, latest, earliest',
        ),
        (
            field(3, derive=COUNT, direction="both"),
            (
                "kinds.customer.fields[3].direction: both is not allowed with derive; a derived field is pushed only, "
                "allowed: push"
            ),
        ),
        (
            field(3, derive=COUNT | {"of": "order"}),
            'kinds.customer.fields[3].derive.of: "order" is no other kind; allowed: participant',
        ),
        (
            field(3, derive=COUNT | {"by": "owner"}),
            'kinds.customer.fields[3].derive.by: "owner" is not mapped by kinds.participant; allowed: email, shirt',
        ),
        (
            field(3, derive={"cases": [{"value": "vip", "when": {"visits": 3}}]}),
            'kinds.customer.fields[3].derive.cases[0].when: "visits" is no total of this kind; allowed: none',
        ),
        (
            customer(sobject="Contact.Name"),
            'kinds.customer.sobject: "Contact.Name" is not allowed; must be an API name such as Contact or Ticket__c',
        ),
        (
            customer(events={"Customer updated": "values"}),
            (
                'kinds.customer.events.Customer updated: "Customer updated" is not allowed; '
                "must be <thing>.<past tense> such as customer.updated"
            ),
        ),
        (
            customer(events={"customer.updated": "gone"}),
            'kinds.customer.events.customer.updated: "gone" is not allowed; allowed: values, deleted',
        ),
        (
            customer(on_delete={"org": "unlink"}),
            "kinds.customer.on_delete.org: is not known here; allowed: salesforce, platform",
        ),
        (
            customer(on_delete={"platform": "recreate"}),
            'kinds.customer.on_delete.platform: "recreate" is not allowed; allowed: unlink, delete',
        ),
        (
            customer(on_unlinked="adopt"),
            'kinds.customer.on_unlinked: "adopt" is not allowed; allowed: ignore, match, create',
        ),
        (
            field(3, policy="review"),
            'kinds.customer.fields[3].policy: "review" is not allowed with direction push; only two-way fields',
        ),
        (
            field(0, "participant", policy="fill_only"),
            'kinds.participant.fields[0].policy: "fill_only" is not allowed with direction pull, which never fills',
        ),
        (
            field(3, first="review"),
            'kinds.customer.fields[3].first: "review" is not allowed with direction push; only two-way fields',
        ),
        (
            field(2, policy="fill_only", first="review"),
            'kinds.customer.fields[2].first: "review" is not allowed with policy fill_only, which never overwrites',
        ),
        (
            customer(on_delete={"platform": "delete"}),
            'kinds.customer.on_delete.platform: "delete" is not allowed, since kinds.participant is kept in Contact',
        ),
        (
            field(2, policy="fill_only", first="platform_wins"),
            'kinds.customer.fields[2].first: "platform_wins" is not allowed with policy fill_only, which never',
        ),
        (customer(fields=[]), "kinds.customer.fields: is empty; at least one is needed"),
        (field(1, region="ro"), 'kinds.customer.fields[1].region: "ro" is not allowed; must be two capital letters'),
        (
            field(0, platform="_sync.link"),
            'kinds.customer.fields[0].platform: "_sync.link" is not allowed; must be a path such as email',
        ),
        (
            field(0, platform="salesforce.id"),
            (
                'kinds.customer.fields[0].platform: "salesforce.id" is not allowed; '
                "_id, _sync, salesforce, revision are set by Tandem"
            ),
        ),
        (field(0, platform="revision"), 'kinds.customer.fields[0].platform: "revision" is not allowed; _id, _sync'),
        (
            field(0, salesforce="tandem_customer_id__c"),
            'kinds.customer.fields[0].salesforce: "tandem_customer_id__c" is the external id field of this kind',
        ),
        (
            field(0, salesforce="Tandem_Customer_Write__c"),
            'kinds.customer.fields[0].salesforce: "Tandem_Customer_Write__c" is the token field of this kind',
        ),
        (
            customer(token="Tandem_Customer_Id__c"),
            'kinds.customer.token: "Tandem_Customer_Id__c" is the external id field too; each needs a field of its own',
        ),
        (
            field(2, salesforce="email"),
            'kinds.customer.fields[2].salesforce: "email" is already mapped by fields[0]',
        ),
        (
            field(3, platform="email"),
            'kinds.customer.fields[3].platform: "email" is already mapped by fields[0]',
        ),
        (
            field(0, platform="address"),
            'kinds.customer.fields[2].platform: "address.city" lies within "address", which fields[0] maps as a whole',
        ),
        (field(0, salesforce="SystemModstamp"), '"SystemModstamp" is set by Salesforce and cannot be mapped'),
        (field(0, salesforce="Id"), '"Id" is set by Salesforce and cannot be mapped'),
        (field(0, salesforce="Name"), '"Name" is a compound field; map its parts: FirstName, LastName'),
        (field(0, salesforce="MailingAddress"), "map its parts: MailingStreet, MailingCity, MailingState,"),
        (field(2, region="RO"), 'fields[2].region: "RO" is not allowed; a region goes with transform phone_e164 only'),
        (field(2, transform=["lower", "upper"]), "fields[2].transform: lower and upper contradict each other"),
        (field(2, transform=["date", "number"]), "fields[2].transform: date and number contradict each other"),
        (field(2, transform=["trim", "trim"]), "fields[2].transform: [trim, trim] names a transform twice"),
        (
            participant(collection="customers"),
            'kinds.participant.collection: "customers" is already the collection of kinds.customer',
        ),
        (customer(collection="salesforce_sync_logs"), 'kinds.customer.collection: "salesforce_sync_logs" is not'),
        (customer(collection="customers_public"), 'kinds.customer.collection: "customers_public" is not allowed'),
        (
            participant(events={"customer.updated": "values"}),
            'kinds.participant.events: "customer.updated" is already an event of kinds.customer',
        ),
        (
            participant(token="Tandem_Customer_Write__c"),
            'kinds.participant.token: "Tandem_Customer_Write__c" is already kinds.customer.token',
        ),
        (
            field(1, kind="participant", salesforce="Tandem_Customer_Write__c"),
            'kinds.participant.fields[1].salesforce: "Tandem_Customer_Write__c" is kinds.customer.token',
        ),
        (
            field(0, kind="participant", direction="both"),
            (
                'kinds.participant.fields[0].direction: "both" is not allowed, since kinds.customer.fields[0] writes '
                "Contact.Email; allowed: pull"
            ),
        ),
        (
            field(1, kind="participant", salesforce="spent__C", direction="push"),
            "since kinds.customer.fields[3] writes",
        ),
        (
            field(0, policy="union"),
            'kinds.customer.fields[0].policy: "union" is for sets of values; it goes with transform multi_select only',
        ),
        (
            field(0, policy="max", transform=["trim"]),
            (
                'kinds.customer.fields[0].policy: "max" is for numbers, dates and booleans; it goes with transform '
                "number or date or datetime or boolean only"
            ),
        ),
        (
            field(0, first="min"),
            (
                'kinds.customer.fields[0].first: "min" is for numbers, dates and booleans; it goes with transform '
                "number or date or datetime or boolean only"
            ),
        ),
        (
            field(3, policy="max", transform=["number"]),
            (
                'kinds.customer.fields[3].policy: "max" is not allowed with direction push; only two-way fields have '
                "conflicts"
            ),
        ),
        (
            field(0, zone="Europe/Bucharest"),
            (
                'kinds.customer.fields[0].zone: "Europe/Bucharest" is not allowed; a zone goes with transform date or '
                "datetime only"
            ),
        ),
        (
            field(0, zone="Europe/Nowhere", transform=["date"]),
            (
                'kinds.customer.fields[0].zone: "Europe/Nowhere" is not allowed; it must be a time zone by '
                "its IANA name such as Europe/Bucharest"
            ),
        ),
        (
            field(0, scale=2),
            "kinds.customer.fields[0].scale: 2 is not allowed; a scale goes with transform number only",
        ),
        (
            field(0, picklist={"a": "A"}, transform=["upper"]),
            "kinds.customer.fields[0].picklist: is not allowed with transform upper; allowed: trim, multi_select",
        ),
        (
            field(0, picklist={"a": "X", "b": "X"}),
            (
                'kinds.customer.fields[0].picklist.b: "X" is what "a" is called already; only a pushed field may have '
                "that"
            ),
        ),
        (
            field(3, picklist={"a": "b", "b": "c"}),
            (
                'kinds.customer.fields[3].picklist.a: "b" is a value too that is called otherwise; nobody could tell '
                "them apart"
            ),
        ),
        (
            field(0, picklist={"a;b": "X"}),
            (
                'kinds.customer.fields[0].picklist.a;b: "a;b" is not allowed; must be values without semicolons, '
                "blanks at their ends or more than 255 characters"
            ),
        ),
        (
            field(0, transform=["multi_select", "date"]),
            (
                "kinds.customer.fields[0].transform: date and multi_select contradict each other; allowed: trim, and "
                "one of lower, upper, phone_e164, domain, date, datetime, number, multi_select"
            ),
        ),
        (
            customer(filters={"push": {"all": [{"path": "consent", "equals": 1}]}}),
            (
                'kinds.customer.filters.push: "consent" is not mapped by this kind; allowed: email, phone, '
                "address.city, spent"
            ),
        ),
        (
            customer(filters={"pull": {"path": "email", "at_least": "a"}}),
            ('kinds.customer.filters.pull: "email" is neither a number nor a date; allowed: equals, one_of, present'),
        ),
        (
            customer(filters={"push": {"path": "email"}}),
            (
                'kinds.customer.filters.push: {"path": "email"} is not allowed; exactly one test is needed beside '
                "path: equals, one_of, at_least, at_most, present"
            ),
        ),
        (
            customer(filters={"push": {"any": [{"path": "email", "equals": "x", "equal": "x"}]}}),
            (
                "kinds.customer.filters.push.any[0].equal: is not known here; did you mean equals? "
                "allowed: path, equals, one_of, at_least, at_most, present"
            ),
        ),
        (
            field(1, consent={"path": "calls", "equals": True}),
            (
                'kinds.customer.fields[1].consent: "calls" is not mapped by this kind; '
                "allowed: email, phone, address.city, spent"
            ),
        ),
        (
            field(1, consent={"path": "spent", "at_least": 1}),
            (
                'kinds.customer.fields[1].consent: "spent" is neither a number nor a date; '
                "allowed: equals, one_of, present"
            ),
        ),
        (
            field(1, consent={"path": "spent"}),
            (
                'kinds.customer.fields[1].consent: {"path": "spent"} is not allowed; '
                "exactly one test is needed beside path: equals, one_of, at_least, at_most, present"
            ),
        ),
        (
            field(0, "participant", consent={"path": "shirt", "equals": "L"}),
            "kinds.participant.fields[0].consent: is not allowed with direction pull, which writes nothing",
        ),
        (
            field(2, create_only=True, consent={"path": "spent", "equals": 1}),
            (
                "kinds.customer.fields[2].consent: is not allowed with create_only, since the consent may come "
                "after the record is made"
            ),
        ),
        (
            field(2, lookup="participant", required=True, consent={"path": "spent", "equals": 1}),
            (
                "kinds.customer.fields[2].consent: is not allowed with required: true; use consent of the kind, "
                "without which no record is made"
            ),
        ),
        (
            both(customer(match={"by": ["Email"]}), field(0, consent={"path": "spent", "equals": 1})),
            (
                "kinds.customer.fields[0].consent: is not allowed for a field of match.by, by which Salesforce is "
                "asked whatever is allowed"
            ),
        ),
        (
            both(
                customer(enrichment={"by": "email", "registered": "customer.updated", "fields": []}),
                field(0, consent={"path": "spent", "equals": 1}),
            ),
            (
                "kinds.customer.fields[0].consent: is not allowed for the path by which people are looked up; use "
                "enrichment.consent"
            ),
        ),
        (
            customer(filters={"push": {"none": []}}),
            "kinds.customer.filters.push.none: is empty; at least one is needed",
        ),
    ],
)
def test_says_where_it_is_wrong_and_what_is_allowed(change: Change, problem: str) -> None:
    """One fault, one problem, in these very words."""
    raw = good()
    change(raw)
    with pytest.raises(InvalidMapping) as caught:
        parse_mapping(raw)
    (found,) = caught.value.problems
    assert problem in found


def test_every_problem_is_told_at_once() -> None:
    """Nobody has to publish five times to find five faults."""
    raw = good()
    for change in (
        field(0, platform="salesforce.x"),
        field(1, transform=["trim"]),
        field(3, salesforce="Id"),
        participant(collection="customers"),
    ):
        change(raw)
    with pytest.raises(InvalidMapping) as caught:
        parse_mapping(raw)
    assert len(caught.value.problems) == 4


@pytest.mark.parametrize("sobject", ["Account", "Campaign", "Ticket__c"])
def test_name_is_an_ordinary_field_where_it_is_not_compound(sobject: str) -> None:
    """Only people have a Name that is made of parts."""
    raw = good()
    customer(sobject=sobject)(raw)
    field(0, salesforce="Name")(raw)
    parse_mapping(raw)


def test_several_kinds_may_pull_what_one_of_them_writes() -> None:
    """One writer for each Salesforce field, any number of readers."""
    raw = good()
    field(1, kind="participant", salesforce="Phone", direction="pull")(raw)
    parse_mapping(raw)


@pytest.mark.parametrize("raw", [None, [], "kinds", {"kinds": None}, {"kinds": {"customer": None}}, {}, {"kinds": {}}])
def test_what_is_no_mapping_at_all_is_refused_alike(raw: Any) -> None:
    """A file of something else gets an answer too."""
    with pytest.raises(InvalidMapping):
        parse_mapping(raw)
