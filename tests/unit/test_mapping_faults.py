"""Everything that is wrong with a mapping in one answer, though places of it cannot be read."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from schemas.mapping import Mapping
from schemas.mapping_faults import find_faults, is_made_from
from schemas.mapping_mending import UNREAD, Reading, read_what_can_be
from schemas.mapping_reading import InvalidMapping
from schemas.mapping_yaml import dump_mapping, load_mapping, read_yaml
from schemas.presets import preset, preset_names

BEFORE = preset("customers").model_copy(update={"version": 1})
SPOILT_FIELDS: tuple[Callable[[list[Any], int], Any], ...] = (
    lambda fields, number: fields[number].update(policy="newest"),
    lambda fields, number: fields[number].update(platform="a b"),
    lambda fields, number: fields[number].update(salesforce=None),
    lambda fields, number: fields[number].update(nothing=1),
    lambda fields, number: fields.__setitem__(number, "email"),
)
KINDS = [(name, kind) for name in preset_names() for kind in preset(name).kinds]
TEXT = dump_mapping(BEFORE)


async def all_good(_mapping: Mapping) -> tuple[Sequence[str], str]:
    """An org that has nothing against it."""
    return (), ""


def lines_of(text: str) -> list[str]:
    """What is said of it by itself."""
    with pytest.raises(InvalidMapping) as told:
        load_mapping(text)
    return list(told.value.problems)


async def test_faults_of_every_sort_are_told_at_once_at_their_own_places() -> None:
    """Of the shape, of what holds together, of what documents cannot follow, and the org's; lines where they are."""
    text = TEXT.replace("collection: customers", "collection: clients").replace(
        "    fields:\n",
        "    on_merge: perhaps\n    fields:\n      - {platform: nickname, salesforce: Nickname__c, polcy: review}\n",
    )
    text += "      - {platform: home, salesforce: Email}\n"
    number = len(BEFORE.kinds["customer"].fields) + 1

    async def org(mapping: Mapping) -> tuple[Sequence[str], str]:
        assert mapping.kinds["customer"].fields[0].platform == "nickname"
        return ("customer.fields.nickname: the object has no field Nickname__c",), ""

    found = await find_faults(read_yaml(text), BEFORE, org)
    places = [line.split(": ")[1] for line in found.shape]
    assert places == ["kinds.customer.on_merge", "kinds.customer.fields[0].polcy"]
    own, cannot, of_org = found.faults
    assert f'kinds.customer.fields[{number}].salesforce: "Email" is already mapped by fields[' in own
    assert own.startswith(f"line {len(text.splitlines())}: ")
    assert 'kinds.customer.collection: cannot change from "customers" to "clients"' in cannot
    assert cannot.startswith("line 5: ")
    assert of_org.startswith("customer.fields.nickname")
    assert found.told == [*found.shape, *found.faults]


async def test_an_org_that_does_not_answer_is_said_beside_what_is_wrong() -> None:
    """And where nothing is wrong it is no fault."""

    async def away(_mapping: Mapping) -> tuple[Sequence[str], str]:
        return (), "it is away"

    wrong = await find_faults(read_yaml(TEXT.replace("salesforce: Title", "salesforce: Name")), BEFORE, away)
    assert wrong.told[-1] == "not compared with the org: it is away"
    assert len(wrong.told) == 2
    good = await find_faults(read_yaml(TEXT.replace("salesforce: Title", "salesforce: Fax")), BEFORE, away)
    assert (good.told, good.not_compared) == ([], ["not compared with the org: it is away"])


async def test_nobody_is_asked_where_nothing_differs_or_nothing_can_be_read() -> None:
    """The org costs time and calls."""

    async def never(_mapping: Mapping) -> tuple[Sequence[str], str]:
        raise AssertionError

    assert (await find_faults(Reading(BEFORE), BEFORE, never)).told == []
    for raw in (None, [], {}, {"kinds": []}, {"kinds": {"Customer": {}}}):
        found = await find_faults(read_what_can_be(raw), BEFORE, never)
        assert found.told == list(found.shape) != []


def spoilt(before: Mapping, kind: str, change: Callable[[dict[str, Any]], Any]) -> Reading:
    """A mapping with a change to a kind."""
    raw = before.model_dump(mode="json", exclude_defaults=True)
    change(raw["kinds"][kind])
    return read_what_can_be(raw)


def customer(change: Callable[[dict[str, Any]], Any]) -> Reading:
    """A preset with a change to its customers."""
    return spoilt(BEFORE, "customer", change)


@pytest.mark.parametrize(("name", "kind_name"), KINDS)
async def test_what_cannot_be_read_is_told_alone_where_all_else_is_good(name: str, kind_name: str) -> None:
    """Nothing is said that only follows from it: each field and each setting of each preset, spoilt one by one."""
    before = preset(name)
    kind = before.model_dump(mode="json", exclude_defaults=True)["kinds"][kind_name]

    async def alone(change: Callable[[dict[str, Any]], Any]) -> None:
        found = await find_faults(spoilt(before, kind_name, change), before, all_good)
        assert len(found.shape) >= 1
        assert found.faults == ()

    for setting in kind:
        await alone(lambda raw, setting=setting: raw.update({setting: 7}))
        await alone(lambda raw, setting=setting: raw.update({f"{setting}_": raw.pop(setting)}))
    for number in range(len(kind["fields"])):
        change = SPOILT_FIELDS[number % len(SPOILT_FIELDS)]
        await alone(lambda raw, number=number, change=change: change(raw["fields"], number))


async def test_a_kind_of_which_every_field_is_wrong_hides_no_other_fault() -> None:
    """Its list is not empty: each place is told, and what is said beside them."""

    def spoil(raw: dict[str, Any]) -> None:
        raw["token"] = raw["external_id"]
        for each in raw["fields"]:
            each["policy"] = "newest"

    found = await find_faults(customer(spoil), BEFORE, all_good)
    assert len(found.shape) == len(BEFORE.kinds["customer"].fields)
    assert any("is the external id field too" in line for line in found.faults)


def required_by(line: str) -> list[str]:
    """What is said of the field Email of the org, and of all else that may be said of customers."""
    return [
        line,
        "customer.fields: Email is required to create Contact, and no field of the mapping writes it",
        "customer.fields.nickname: the object has no field Nickname__c, or the login may not see it",
        f"customer.external_id: the object has no field {UNREAD}, or the login may not see it",
    ]


def test_the_org_s_word_counts_only_where_it_holds_whatever_stands_there() -> None:
    """That nothing writes a field is not said while a field cannot be read that may."""
    said = required_by("customer.match: Email cannot be searched by in the org")

    def spoil(raw: dict[str, Any]) -> None:
        next(each for each in raw["fields"] if each["salesforce"] == "Email")["policy"] = "newest"

    assert list(customer(spoil).sure(said)) == [said[0], said[2]]
    assert list(customer(lambda raw: raw.update(defaults=7)).sure(said)) == [said[0], said[2]]
    assert list(customer(lambda raw: raw.update(defalts={})).sure(said)) == []
    assert list(customer(lambda raw: raw.update(on_merge="perhaps")).sure(said)) == said[:3]
    assert list(customer(lambda _raw: None).sure(said)) == said[:3]


def test_a_version_that_cannot_be_read_is_not_said_to_be_another() -> None:
    """It is told as what it is."""
    assert is_made_from(read_yaml(TEXT), BEFORE)
    assert not is_made_from(read_yaml(TEXT.replace("version: 1", "version: 7")), BEFORE)
    reading = read_yaml(TEXT.replace("version: 1", "version: seven"))
    assert (is_made_from(reading, BEFORE), len(reading.faults)) == (True, 1)
    assert not is_made_from(read_yaml(TEXT), None)


def test_a_name_that_is_there_twice_hides_nothing() -> None:
    """The later one is looked at; of aliases nothing more is said, since none is followed."""
    told = lines_of(TEXT.replace("    sobject:", "    collection: others\n    sobject:").replace("Title", "Name"))
    assert ["is there twice" in told[0], len(told)] == [True, 2]
    told = lines_of(TEXT.replace("    fields:", "    fields: &a") + "also: *a\n")
    assert any("anchors and aliases" in line for line in told)
