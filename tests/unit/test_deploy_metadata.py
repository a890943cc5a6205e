"""`deploy/salesforce`: what is deployed fits the presets' mapping field by field, and the simulated org's fields."""

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from typer.testing import CliRunner

from adapters.salesforce.describe_check import check_kind
from ops.cli import app
from ops.metadata.fields import CustomField, CustomObject, Descriptions, is_custom
from ops.metadata.project import source
from ops.metadata.simulated import org_schema
from ops.pages import DEPLOYABLE, deployable
from schemas.field_mapping import Direction, Transform
from schemas.mapping import KindMapping, Mapping
from schemas.mapping_yaml import dump_mapping
from schemas.presets import preset, preset_names
from schemas.stream import change_event
from simulator.org.objects import FieldDefinition, FieldType, load_objects

XML = {"x": "http://soap.sforce.com/2006/04/metadata"}
ROOTS = {
    "object": "CustomObject",
    "field": "CustomField",
    "permissionset": "PermissionSet",
    "platformEventChannel": "PlatformEventChannel",
    "platformEventChannelMember": "PlatformEventChannelMember",
}
TYPES = {
    "Text": FieldType.STRING,
    "Number": FieldType.DOUBLE,
    "Currency": FieldType.CURRENCY,
    "Picklist": FieldType.PICKLIST,
    "MultiselectPicklist": FieldType.MULTIPICKLIST,
    "Date": FieldType.DATE,
    "DateTime": FieldType.DATETIME,
    "Checkbox": FieldType.BOOLEAN,
    "Lookup": FieldType.REFERENCE,
    "Email": FieldType.EMAIL,
    "LongTextArea": FieldType.TEXTAREA,
    "Percent": FieldType.PERCENT,
    "Phone": FieldType.PHONE,
    "Url": FieldType.URL,
}
PARTS = re.compile(r"(Mailing|Other|Billing|Shipping|)(Street|City|State|PostalCode|Country)")
ALWAYS_SEEN = {
    "FirstName",
    "LastName",
    "Company",
    "Name",
    "StageName",
    "CloseDate",
    "OwnerId",
    "IsWon",
    "LastActivityDate",
}
SEEN = {"CreatedDate", "LastModifiedDate"}
MEMBERS = {f"CampaignMember.{field}" for field in ("CampaignId", "ContactId", "LeadId", "Status")} | {"Lead.Status"}


class Package:
    """A package folder, read back by an XML parser."""

    def __init__(self, files: dict[str, str]) -> None:
        self.files = {path: ElementTree.fromstring(text) for path, text in files.items()}

    def of(self, suffix: str) -> dict[str, ElementTree.Element]:
        """Files of a sort, by their name alone; a field's by object and name."""
        found = {}
        for path, root in self.files.items():
            name, _, end = path.rpartition("/")[2].partition(".")
            if end == f"{suffix}-meta.xml":
                parts = path.split("/")
                found[f"{parts[-3]}.{name}" if suffix == "field" else name] = root
        return found

    def rights(self, block: str, key: str) -> dict[str, dict[str, str]]:
        """The permission set's entries of a sort, by what they are about."""
        (root,) = self.of("permissionset").values()
        told = [texts(entry) for entry in root.findall(f"x:{block}", XML)]
        return {entry[key]: entry for entry in told}


def texts(element: ElementTree.Element) -> dict[str, str]:
    """The texts of an element's members."""
    return {child.tag.partition("}")[2]: child.text or "" for child in element}


@pytest.fixture(params=preset_names())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def package(name: str, pytestconfig: pytest.Config) -> Package:
    """As it lies in the repository."""
    folder = pytestconfig.rootpath / DEPLOYABLE / name
    return Package({str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*.xml")})


def test_the_folder_holds_what_the_presets_need_and_nothing_else(pytestconfig: pytest.Config) -> None:
    """`make pages` would change nothing."""
    folder = pytestconfig.rootpath / DEPLOYABLE
    files = [file for file in folder.rglob("*") if file.is_file() and file.suffix != ".md"]
    there = {str(file.relative_to(folder)): file.read_text() for file in files}
    assert there == deployable()
    project = json.loads(there["sfdx-project.json"])
    assert [each["path"] for each in project["packageDirectories"]] == preset_names()


def test_every_file_is_of_the_sort_that_its_name_says(package: Package) -> None:
    """Folder, suffix and root element go together in source format."""
    for path, root in package.files.items():
        suffix = path.partition(".")[2].removesuffix("-meta.xml")
        assert root.tag == f"{{{XML['x']}}}{ROOTS[suffix]}", path


def test_each_kind_has_its_external_id_and_token(name: str, package: Package) -> None:
    """Unique, external, in the case it is written; the token has room for a document id and a number."""
    for kind in preset(name).kinds.values():
        key = texts(package.of("field")[f"{kind.sobject}.{kind.external_id}"])
        wanted = {"type": "Text", "externalId": "true", "unique": "true", "caseSensitive": "true", "length": "255"}
        assert {member: key[member] for member in wanted} == wanted
        token = texts(package.of("field")[f"{kind.sobject}.{kind.token}"])
        assert (token["type"], token["unique"], int(token["length"]) >= 80) == ("Text", "false", True)


def test_every_custom_field_of_the_mapping_is_made(name: str, package: Package) -> None:
    """And none besides."""
    needed = {
        f"{kind.sobject}.{field}"
        for kind in by_object(name)
        for field in (kind.external_id, kind.token, *(each.salesforce for each in kind.fields))
        if is_custom(field)
    }
    assert set(package.of("field")) == needed
    custom = {kind.sobject for kind in preset(name).kinds.values() if is_custom(kind.sobject)}
    assert set(package.of("object")) == custom


def test_the_fields_are_as_the_simulated_org_has_them(name: str, package: Package) -> None:
    """Type, length, scale and picklist: the org of the tests is one in which this was deployed."""
    objects = load_objects(org_schema(preset(name)))
    for key, root in package.of("field").items():
        sobject, _, field = key.partition(".")
        theirs, ours = objects[sobject].by_name[field], texts(root)
        assert theirs.type is TYPES[ours["type"]], key
        assert _sizes(theirs, ours["type"]) == tuple(
            int(ours.get(each, 0)) for each in ("length", "precision", "scale")
        )
        assert (str(theirs.unique).lower(), str(theirs.external_id).lower()) == (
            ours.get("unique", "false"),
            ours.get("externalId", "false"),
        )
        values = root.findall("x:valueSet/x:valueSetDefinition/x:value/x:fullName", XML)
        assert [value.text for value in values] == list(theirs.values)


def _sizes(field: FieldDefinition, type_: str) -> tuple[int, int, int]:
    return (field.length if type_ in ("Text", "LongTextArea") else 0, field.precision, field.scale)


def test_rights_are_what_the_mapping_needs_and_no_more(name: str, package: Package) -> None:
    """Edit where something is pushed, else read; what every user sees is not named; nothing lets anyone modify all."""
    fields = package.rights("fieldPermissions", "field")
    wanted: dict[str, bool] = {}
    for kind in by_object(name):
        used = [(kind.external_id, True), (kind.token, True)]
        used += [(each.salesforce, each.direction is not Direction.PULL) for each in kind.fields]
        used += [(each.lead, True) for each in kind.fields if each.lead is not None]
        used += [(each, True) for each in kind.defaults]
        used += [(each.field, False) for each in (kind.match.prefer if kind.match else ()) if each.field not in SEEN]
        # Of people who are looked up: whoever sees an account sees its name.
        used += [(path, False) for path in kind.looked_up() if "." not in path]
        for field, pushed in used:
            if field not in ALWAYS_SEEN and f"{kind.sobject}.{field}" not in MEMBERS:
                part = PARTS.fullmatch(field)
                right = f"{part[1]}Address" if part else field
                wanted[f"{kind.sobject}.{right}"] = pushed or wanted.get(f"{kind.sobject}.{right}", False)
    assert {key: entry["editable"] == "true" for key, entry in fields.items()} == wanted
    assert {entry["readable"] for entry in fields.values()} == {"true"}
    objects = package.rights("objectPermissions", "object")
    assert {entry["modifyAllRecords"] for entry in objects.values()} == {"false"}
    whole = preset(name).kinds
    erased = {each for each, kind in whole.items() if "erased" in kind.events.values()}
    erased |= {
        each for each, kind in whole.items() if any(one.required and erased & {*one.lookups} for one in kind.fields)
    }
    deletes = {_right_object(kind) for kind in whole.values() if kind.on_delete.platform == "delete"}
    deletes |= {_right_object(place) for each in erased for _where, place in whole[each].by_object()}
    for kind in by_object(name):
        entry = objects[_right_object(kind)]
        assert [entry[right] for right in ("allowCreate", "allowEdit", "allowRead", "viewAllRecords")] == ["true"] * 4
        assert entry["allowDelete"] == str(_right_object(kind) in deletes).lower()
    assert set(package.rights("userPermissions", "name")) == {"ApiEnabled", "ViewRoles", "ViewSetup"}


def test_the_channel_has_every_object_of_the_mapping(name: str, package: Package) -> None:
    """Each change event once, under the name that Salesforce asks for."""
    (channel,) = package.of("platformEventChannel")
    members = package.of("platformEventChannelMember")
    entities = {change_event(sobject) for sobject in preset(name).objects()}
    assert {texts(root)["selectedEntity"] for root in members.values()} == entities
    assert {texts(root)["eventChannel"] for root in members.values()} == {channel} == {"Tandem__chn"}
    assert set(members) == {f"Tandem_chn_{entity}".replace("__", "_") for entity in entities}


def by_object(name: str) -> list[KindMapping]:
    """A preset's kinds, those that are kept in two objects once for each."""
    return [kind for whole in preset(name).kinds.values() for _where, kind in whole.by_object()]


def _right_object(kind: KindMapping) -> str:
    """Members have the rights of their campaign."""
    return "Campaign" if kind.sobject == "CampaignMember" else kind.sobject


def own_mapping() -> Mapping:
    """With a custom object, a lookup, a deletion that follows, and custom fields that no preset has."""
    raw = preset("customers").model_dump(mode="json")
    raw["kinds"]["customer"]["on_delete"] = {"platform": "delete"}
    raw["kinds"]["order"] = {
        "collection": "orders",
        "sobject": "Ticket_Order__c",
        "external_id": "Tandem_Order_Id__c",
        "token": "Tandem_Order_Write__c",
        "events": {"order.completed": "values"},
        "fields": [
            {"platform": "buyer", "salesforce": "Buyer__c", "lookup": "customer", "required": True},
            {"platform": "total", "salesforce": "Total__c", "transform": ["number"]},
            {"platform": "day", "salesforce": "Day__c", "transform": ["date"], "direction": "pull"},
            {"platform": "note", "salesforce": "Note__c"},
            {"platform": "phone", "salesforce": "Phone__c", "transform": ["phone_e164"]},
        ],
    }
    return Mapping.model_validate(raw)


def test_a_mapping_of_ones_own() -> None:
    """A field that nobody has described gets the type that its transform suggests; & and < are escaped."""
    known = Descriptions(
        objects={"Ticket_Order__c": CustomObject(label="Order & more", plural="Orders", numbered="O-{000000}")},
        fields={
            "Ticket_Order__c.Note__c": CustomField(type="LongTextArea", length=32_000, label="<Note>", required=True)
        },
    )
    package = Package(source(own_mapping(), known))
    kinds = {key: texts(root)["type"] for key, root in package.of("field").items() if key.startswith("Ticket")}
    assert kinds == {
        "Ticket_Order__c.Buyer__c": "Lookup",
        "Ticket_Order__c.Day__c": "Date",
        "Ticket_Order__c.Note__c": "LongTextArea",
        "Ticket_Order__c.Phone__c": "Phone",
        "Ticket_Order__c.Tandem_Order_Id__c": "Text",
        "Ticket_Order__c.Tandem_Order_Write__c": "Text",
        "Ticket_Order__c.Total__c": "Number",
    }
    buyer = texts(package.of("field")["Ticket_Order__c.Buyer__c"])
    assert (buyer["referenceTo"], buyer["relationshipName"]) == ("Contact", "Ticket_Order_Buyer")
    note = texts(package.of("field")["Ticket_Order__c.Note__c"])
    assert (note["label"], note["visibleLines"]) == ("<Note>", "4")
    assert texts(package.of("object")["Ticket_Order__c"])["label"] == "Order & more"
    objects = package.rights("objectPermissions", "object")
    assert (objects["Contact"]["allowDelete"], objects["Ticket_Order__c"]["allowDelete"]) == ("true", "true")
    assert "Ticket_Order__c.Note__c" not in package.rights("fieldPermissions", "field"), "required: everybody sees it"
    assert package.rights("fieldPermissions", "field")["Ticket_Order__c.Day__c"]["editable"] == "false"
    assert set(package.of("platformEventChannelMember")) == {
        "Tandem_chn_ContactChangeEvent",
        "Tandem_chn_Ticket_Order_ChangeEvent",
    }


@pytest.mark.parametrize("transform", [None, *Transform])
def test_what_is_guessed_of_a_field_takes_what_its_transform_makes(transform: Transform | None) -> None:
    """As the check of the mapping has it, of an org in which this was deployed; a list is not short of room."""
    raw = own_mapping().model_dump(mode="json")
    shaped = {"platform": "shaped", "salesforce": "Shaped__c", "transform": [transform] if transform else []}
    raw["kinds"]["order"]["fields"].append(shaped)
    mapping = Mapping.model_validate(raw)
    (made,) = (one for one in org_schema(mapping) if one["name"] == "Ticket_Order__c")
    may = {"createable": True, "updateable": True, "length": 40}
    fields = [{**may, **one} for one in made["fields"]]
    found = check_kind("order", mapping.kinds["order"], {"name": "Ticket_Order__c", "fields": fields})
    assert [str(one) for one in found if "Shaped__c" in one.message] == []
    (field,) = (one for one in fields if one["name"] == "Shaped__c")
    assert transform is not Transform.MULTI_SELECT or field["length"] > 255


def lookups(*fields: tuple[str, str]) -> Mapping:
    """Kinds in these objects, each with a lookup of this name to Contact."""
    raw = preset("customers").model_dump(mode="json")
    for number, (sobject, name) in enumerate(fields):
        raw["kinds"][f"visit{number}"] = {
            "collection": f"visits{number}",
            "sobject": sobject,
            "external_id": "Tandem_Visit_Id__c",
            "token": "Tandem_Visit_Write__c",
            "events": {f"visit{number}.made": "values"},
            "fields": [{"platform": "who", "salesforce": name, "lookup": "customer"}],
        }
    return Mapping.model_validate(raw)


def test_no_parent_has_two_relationships_of_one_name() -> None:
    """Whatever objects and fields are called: the org refuses to deploy them else, and names of above 40 letters."""
    long = "A" * 30
    package = Package(
        source(
            lookups(
                ("Visit__c", "Contact__c"),
                ("Party__c", "Contact__c"),
                ("Party__c", "Guest_Contact__c"),
                ("Party_Guest__c", "Contact__c"),
                (f"{long}__c", f"{long}1__c"),
                (f"{long}__c", f"{long}2__c"),
            )
        )
    )
    made = [texts(root).get("relationshipName", "") for root in package.of("field").values()]
    names = [name for name in made if name]
    assert len(names) == len({name.casefold() for name in names}) == 6
    assert {"Visit_Contact", "Party_Contact"} <= set(names)
    assert all(re.fullmatch(r"[A-Za-z](_?[A-Za-z0-9]){0,39}", name) and len(name) <= 40 for name in names), names


def test_an_object_that_nobody_has_described_is_made_too(tmp_path: Path) -> None:
    """Its fields could not be deployed else. Who has it already is told which file to take out."""
    mapping = lookups(("Visit__c", "Contact__c"))
    package = Package(source(mapping))
    root = package.of("object")["Visit__c"]
    name = root.find("x:nameField", XML)
    assert name is not None
    assert (texts(root)["label"], texts(name)) == (
        "Visit",
        {"displayFormat": "V-{000000}", "label": "Visit Number", "type": "AutoNumber"},
    )
    file = tmp_path / "mapping.yaml"
    file.write_text(dump_mapping(mapping))
    told = CliRunner().invoke(app, ["mapping", "metadata", str(file), str(tmp_path / "made")]).output
    assert "Visit__c.object-meta.xml makes Visit__c: take the file out where the org has it already" in told
    assert "Contact.object-meta.xml" not in told


def test_an_object_whose_name_is_written_is_not_numbered() -> None:
    """A number cannot be written."""
    raw = lookups(("Visit__c", "Contact__c")).model_dump(mode="json")
    raw["kinds"]["visit0"]["fields"].append({"platform": "title", "salesforce": "Name"})
    mapping = Mapping.model_validate(raw)
    name = Package(source(mapping)).of("object")["Visit__c"].find("x:nameField", XML)
    assert name is not None
    assert texts(name) == {"label": "Visit Name", "type": "Text"}
    assert not load_objects(org_schema(mapping))["Visit__c"].by_name["Name"].read_only


def test_what_a_match_prefers_can_be_read() -> None:
    """In either object: what is hidden is in no row, and the preference would decide nothing."""
    raw = preset("hackathon").model_dump(mode="json")
    person = raw["kinds"]["participant"]
    person["match"]["prefer"] = [{"take": "latest", "field": "Score__c"}]
    person["lead"]["prefer"] = [{"take": "latest", "field": "Rank__c"}]
    rights = Package(source(Mapping.model_validate(raw))).rights("fieldPermissions", "field")
    for key in ("Contact.Score__c", "Lead.Rank__c"):
        assert (rights[key]["readable"], rights[key]["editable"]) == ("true", "false")


def test_campaign_members_have_the_rights_of_their_campaign() -> None:
    """The object has none of its own, and a permission set that names it is refused."""
    raw: dict[str, Any] = preset("customers").model_dump(mode="json")
    raw["kinds"]["customer"] |= {"sobject": "CampaignMember"}
    raw["kinds"]["customer"]["fields"] = [{"platform": "status", "salesforce": "Status"}]
    objects = Package(source(Mapping.model_validate(raw))).rights("objectPermissions", "object")
    assert set(objects) == {"Campaign"}


def test_the_command_writes_a_folder_and_leaves_a_full_one_alone(tmp_path: Path) -> None:
    """And tells every fault of a mapping that cannot be used."""
    file, folder = tmp_path / "mapping.yaml", tmp_path / "made"
    file.write_text(dump_mapping(preset("customers")))
    done = CliRunner().invoke(app, ["mapping", "metadata", str(file), str(folder)])
    assert (done.exit_code, (folder / "sfdx-project.json").exists()) == (0, True), done.output
    written = {str(each.relative_to(folder / "tandem")) for each in folder.rglob("*.xml")}
    assert written == set(source(preset("customers")))
    again = CliRunner().invoke(app, ["mapping", "metadata", str(file), str(folder)])
    assert (again.exit_code, "is not empty" in again.output) == (1, True)
    file.write_text(yaml.safe_dump({"kinds": {}}))
    wrong = CliRunner().invoke(app, ["mapping", "metadata", str(file), str(tmp_path / "other")])
    assert (wrong.exit_code, (tmp_path / "other").exists()) == (1, False)
