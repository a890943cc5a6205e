"""The mapping's parts about what is made where nothing matches: in a Lead or a Contact, of what, and with consent."""

from collections.abc import Callable
from typing import Any

import pytest
from support.lead_stage import LEAD

from adapters.mongo.mappings import next_version
from adapters.salesforce.describe_check import check_kind, check_mapping, placeholders_of
from ops.metadata.project import source
from ops.metadata.simulated import org_schema
from schemas.mapping import Mapping
from schemas.mapping_reading import InvalidMapping, parse_mapping
from schemas.mapping_versions import impossible
from schemas.mapping_yaml import dump_mapping, load_mapping
from schemas.presets import preset

COMPANY = {"platform": "company", "salesforce": "Company"}


def raw(**settings: Any) -> dict[str, Any]:
    """The customers' mapping, kept in leads too, with these settings of the kind."""
    found = preset("customers").model_dump(mode="json", exclude_defaults=True)
    kind = found["kinds"]["customer"]
    kind |= {"lead": LEAD, "create": "lead", "fields": [*kind["fields"], COMPANY], **settings}
    return found


def lead(**changes: Any) -> dict[str, Any]:
    return raw(lead={**LEAD, **changes})


def another(found: dict[str, Any], **settings: Any) -> dict[str, Any]:
    """With a second kind that may be a Lead too."""
    kind = {
        "collection": "guests",
        "sobject": "Contact",
        "external_id": "Tandem_Guest_Id__c",
        "token": "Tandem_Guest_Write__c",
        "fields": [{"platform": "mail", "salesforce": "Email", "direction": "pull"}],
        "lead": {"external_id": "Tandem_Guest_Id__c", "token": "Tandem_Guest_Write__c", "fields": {"Email": "Email"}},
        **settings,
    }
    found["kinds"]["guest"] = kind
    return found


def test_a_kind_in_two_objects_can_be_used_and_written_down() -> None:
    """Two kinds may share both; an export says all of it again."""
    mapping = parse_mapping(another(raw(defaults={"LeadSource": "Hackathon"}, on_merge="keep_master")))
    assert load_mapping(dump_mapping(mapping)) == mapping
    assert mapping.objects() == ["Contact", "Lead"]
    assert [name for name, _ in mapping.kinds_of_sobject("Lead")] == ["customer", "guest"]


@pytest.mark.parametrize(
    ("made", "problem"),
    [
        (
            lambda: {
                **raw(),
                "kinds": {"customer": {k: v for k, v in raw()["kinds"]["customer"].items() if k != "lead"}},
            },
            'create: "lead" is not allowed without lead, which says how; allowed: sobject, none',
        ),
        (
            lambda: raw(sobject="Account"),
            "lead: is not allowed with sobject Account; a Lead becomes a Contact, allowed: sobject: Contact",
        ),
        (
            lambda: lead(token="tandem_customer_id__c"),
            'lead.token: "tandem_customer_id__c" is the external id field too; each needs a field of its own',
        ),
        (
            lambda: lead(fields={"Emial": "Email"}),
            'lead.fields: "Emial" is no mapped field of this kind; allowed: Email,',
        ),
        (lambda: lead(only=["Industry"]), 'lead.only: "Industry" is no mapped field of this kind; allowed: Email,'),
        (
            lambda: lead(only=["Company", "Email"]),
            'lead.only: "Email" is in lead.fields too, and so is kept in both; it belongs in one of the two',
        ),
        (
            lambda: lead(fields={"Email": "Email", "Title": "email"}),
            'lead.fields: "email" is already what Email is called in Lead',
        ),
        (
            lambda: lead(fields={"LastName": "Name"}),
            'lead.fields: "Name" is a compound field; map its parts: FirstName,',
        ),
        (lambda: lead(fields={"LastName": "CreatedDate"}), 'lead.fields: "CreatedDate" is set by Salesforce and'),
        (
            lambda: lead(fields={"LastName": "Tandem_Customer_Write__c"}),
            'lead.fields: "Tandem_Customer_Write__c" is set by Tandem itself, as the external id or token',
        ),
        (
            lambda: lead(placeholders={"Rating": "Warm"}),
            'lead.placeholders: "Rating" is no field of Lead that this kind writes; allowed: ',
        ),
        (
            lambda: lead(defaults={"City": "Paris"}),
            'lead.defaults: "City" is written by fields[6]; allowed: fields that',
        ),
        (
            lambda: raw(defaults={"Phone": "1"}),
            'defaults: "Phone" is written by fields[3]; allowed: fields that are not',
        ),
        (lambda: raw(defaults={"Id": "1"}), 'defaults: "Id" is set by Salesforce and cannot be mapped'),
        (
            lambda: raw(defaults={"tandem_customer_id__c": "1"}),
            'defaults: "tandem_customer_id__c" is the external id or token field of Contact, which Tandem sets itself',
        ),
        (
            lambda: raw(consent={"path": "agreed", "equals": True}),
            'consent: "agreed" is not mapped by this kind; allowed: email,',
        ),
        (lambda: raw(create="account"), 'create: "account" is not allowed; allowed: sobject, lead, none'),
        (
            lambda: lead(feilds={}),
            "lead.feilds: is not known here; did you mean fields? allowed: external_id, token,",
        ),
        (lambda: raw(match={"by": ["Email"], "pick": 1}), "match.pick: is not known here; allowed: by, prefer, taken"),
    ],
)
def test_what_is_wrong_is_told_with_what_is_allowed(made: Callable[[], dict[str, Any]], problem: str) -> None:
    """In the words of the other checks, at its place."""
    with pytest.raises(InvalidMapping) as told:
        parse_mapping(made())
    assert any(each.startswith(f"kinds.customer.{problem}") for each in told.value.problems), told.value.problems


@pytest.mark.parametrize(
    ("made", "problem"),
    [
        (
            lambda: another(raw(), external_id="Guest__c", lead={**LEAD, "fields": {"Email": "Email"}, "only": []}),
            'kinds.guest.lead.external_id: "Tandem_Customer_Id__c" is already kinds.customer.lead.external_id; each',
        ),
        (
            lambda: another(
                raw(),
                fields=[{"platform": "town", "salesforce": "OtherCity"}],
                lead={"external_id": "A__c", "token": "B__c", "fields": {"OtherCity": "City"}},
            ),
            'kinds.guest.fields[0].direction: "both" is not allowed, since kinds.customer.fields[6] writes Lead.City;',
        ),
        (
            lambda: another(raw(on_delete={"platform": "delete"})),
            'kinds.customer.on_delete.platform: "delete" is not allowed, since kinds.guest is kept in Contact too,',
        ),
    ],
)
def test_kinds_do_not_get_into_each_others_way_in_a_lead(made: Callable[[], dict[str, Any]], problem: str) -> None:
    """As in their own object."""
    with pytest.raises(InvalidMapping) as told:
        parse_mapping(made())
    assert any(each.startswith(problem) for each in told.value.problems), told.value.problems


def test_a_lookup_may_name_a_lead_by_a_field_of_its_own() -> None:
    """Where its parent may be one, and nothing else is in that field."""
    found = raw()
    who = {"platform": "who", "salesforce": "ContactId", "lookup": "customer", "lead": "LeadId"}
    found["kinds"]["member"] = {
        "collection": "members",
        "sobject": "CampaignMember",
        "external_id": "A__c",
        "token": "B__c",
        "fields": [who],
    }
    assert parse_mapping(found).kinds["member"].fields[0].lead == "LeadId"
    found["kinds"]["member"]["fields"] = [
        who | {"lead": "B__c"},
        {"platform": "x", "salesforce": "X__c", "lead": "Y__c"},
    ]
    with pytest.raises(InvalidMapping) as told:
        parse_mapping(found)
    first, second = told.value.problems
    assert first == 'kinds.member.fields[0].lead: "B__c" is mapped already, or is a field of Tandem\'s own'
    assert second.startswith(
        "kinds.member.fields[1].lead: is not allowed here; it goes with the lookup of a kind that is"
    )


class TestVersions:
    """What may change of a kind whose documents may be linked to Leads."""

    BEFORE = Mapping.model_validate({**raw(), "version": 3})

    def test_the_lead_stays_with_the_fields_it_is_known_by(self) -> None:
        without = preset("customers")
        (line,) = impossible(self.BEFORE, without)
        assert line.startswith("kinds.customer.lead: cannot be taken out, since documents may be linked to Leads; with")
        assert impossible(without, self.BEFORE) == []
        renamed = Mapping.model_validate(lead(token="Other__c"))
        (line,) = impossible(self.BEFORE, renamed)
        assert line.startswith('kinds.customer.lead.token: cannot change from "Tandem_Customer_Write__c" to "Other__c"')

    def test_a_field_newly_kept_in_a_lead_is_read_there(self) -> None:
        """Nothing is known of what a Lead holds in it; a Lead that is new itself has no documents."""
        more = Mapping.model_validate(lead(fields={**LEAD["fields"], "Title": "Title"}))
        assert next_version(self.BEFORE, more).since == {"customer": {"Title": 4}}
        fresh = next_version(preset("customers"), Mapping.model_validate(raw()))
        assert fresh.since == {"customer": {"Company": 1}}


DESCRIBED: dict[str, Any] = {
    "name": "Lead",
    "queryable": True,
    "createable": True,
    "updateable": True,
}


def described(*without: str, **changed: dict[str, Any]) -> dict[str, Any]:
    names = ["Email", "FirstName", "LastName", "Phone", "City", "Customer_Tier__c", "Company", "LeadSource"]
    kept = [*names, "IsConverted", "ConvertedContactId", "Tandem_Customer_Id__c", "Tandem_Customer_Write__c"]
    one = {
        "type": "string",
        "length": 255,
        "createable": True,
        "updateable": True,
        "nillable": True,
        "filterable": True,
    }
    own = {"Tandem_Customer_Id__c": {"externalId": True, "unique": True, "caseSensitive": True}}
    own |= {"Company": {"nillable": False, "defaultedOnCreate": False}, **changed}
    return {**DESCRIBED, "fields": [{"name": n, **one, **own.get(n, {})} for n in kept if n not in without]}


def of_lead(mapping: dict[str, Any], describe: dict[str, Any]) -> list[str]:
    whole = Mapping.model_validate(mapping).kinds["customer"]
    (where, kind) = whole.by_object()[1]
    return [str(each) for each in check_kind(f"customer{where}", kind, describe, None, placeholders_of(whole, kind))]


class TestDescribe:
    """The org's Lead is compared as its Contact is."""

    def test_a_lead_that_fits(self) -> None:
        assert of_lead(raw(), described()) == []

    def test_each_misfit_has_its_line(self) -> None:
        """What is missing, what cannot be written, what nothing fills, what a picklist does not take."""
        assert of_lead(raw(), described("City", "ConvertedContactId")) == [
            "customer.lead.fields.address.city: the object has no field City, or the login may not see it",
            "customer.lead.sobject: the object has no field ConvertedContactId, or the login may not see it",
        ]
        picklist = {
            "type": "picklist",
            "restrictedPicklist": True,
            "picklistValues": [{"value": "Web", "active": True}],
        }
        assert of_lead(raw(), described(LeadSource=picklist)) == [
            'customer.lead.defaults: LeadSource has no value "Hackathon"; it takes: Web'
        ]
        assert of_lead(raw(), described(Company={"length": 3})) == [
            "customer.lead.placeholders: Company takes 3 characters, and the placeholder has 14"
        ]
        assert of_lead(raw(), described(Company=picklist)) == [
            'customer.lead.placeholders: Company has no value "[not provided]"; it takes: Web'
        ]
        whole = Mapping.model_validate(raw())
        both = {"Contact": None, "Lead": described(Company={"length": 3})}
        assert [str(each) for each in check_mapping(whole, both) if each.where.endswith(".placeholders")] != []
        assert of_lead(raw(), described(LeadSource={"createable": False, "length": 3})) == [
            "customer.lead.defaults: LeadSource is not createable for this login",
            "customer.lead.defaults: LeadSource takes 3 characters, and the default has 9",
        ]
        nobody = {**LEAD, "only": [], "placeholders": {}}
        assert of_lead(raw(lead=nobody), described()) == [
            "customer.lead.fields: Company is required to create Lead, and no field of the mapping writes it"
        ]
        assert of_lead(raw(lead={**nobody, "defaults": {"Company": "-"}}), described()) == []

    def test_the_field_that_names_a_lead(self) -> None:
        """It must be there, name leads, and be writable."""
        member = Mapping.model_validate(
            {
                "kinds": {
                    "member": {
                        "collection": "members",
                        "sobject": "CampaignMember",
                        "external_id": "A__c",
                        "token": "B__c",
                        "fields": [
                            {"platform": "who", "salesforce": "ContactId", "lookup": "customer", "lead": "LeadId"}
                        ],
                    }
                }
            }
        ).kinds["member"]
        text = {"type": "string", "length": 255, "createable": True, "updateable": True, "nillable": True}
        key = text | {"externalId": True, "unique": True, "caseSensitive": True}
        known = [{"name": "A__c", **key}, {"name": "B__c", **text}]
        known += [{"name": "ContactId", **text, "type": "reference", "referenceTo": ["Contact"]}]
        rights = DESCRIBED | {"name": "CampaignMember"}

        def told(*more: dict[str, Any]) -> list[str]:
            found = check_kind("member", member, {**rights, "fields": [*known, *more]}, {"customer": "Contact"})
            return [str(each).removeprefix("member.fields.who: ") for each in found]

        assert told() == ["the object has no field LeadId, or the login may not see it"]
        there = {"name": "LeadId", "type": "reference", "createable": True, "referenceTo": ["Lead"]}
        assert told(there) == []
        assert told(there | {"referenceTo": ["Account"]}) == ["LeadId does not name records of Lead"]
        assert told(there | {"createable": False}) == ["LeadId is not createable for this login"]

    def test_what_only_a_lead_has_is_not_asked_of_the_contact(self) -> None:
        kind = Mapping.model_validate(raw()).kinds["customer"]
        own = kind.by_object()[0][1]
        assert [each.salesforce for each in own.fields if each.salesforce == "Company"] == []


def test_metadata_has_the_fields_of_the_lead_its_rights_and_its_change_events() -> None:
    """What an admin deploys is enough for both objects."""
    mapping = Mapping.model_validate(raw())
    files = source(mapping)
    fields = {path.split("/")[-1].removesuffix(".field-meta.xml") for path in files if "/Lead/fields/" in path}
    assert fields == {"Tandem_Customer_Id__c", "Tandem_Customer_Write__c", "Customer_Tier__c"}
    tier = files["main/default/objects/Lead/fields/Customer_Tier__c.field-meta.xml"]
    assert "<type>Picklist</type>" in tier, "of the type that the contact's has"
    assert any(path.endswith("Tandem_chn_LeadChangeEvent.platformEventChannelMember-meta.xml") for path in files)
    rights = files["main/default/permissionsets/Tandem.permissionset-meta.xml"]
    for right in ("Lead.Address", "Lead.LeadSource", "Lead.Tandem_Customer_Id__c", "Contact.MailingAddress"):
        assert f"<field>{right}</field>" in rights
    assert "<object>Lead</object>" in rights
    assert "Contact.Company" not in rights
    assert [one["name"] for one in org_schema(mapping) if one["name"] == "Lead"] == []
