"""What happens in a world while a stage is killed, and what must have become of it.

Facts of one play bear its mark in their ids and texts, so that what became of them can be told from those of others.
"""

from collections.abc import Iterable

from simulator.org.edits import Edit
from support.crash_world import KEY, TOKEN, Outcome, World, only_one_each

SHARED = {f"c{number}": {"title": "Guest"} for number in range(1, 6)}
"""Customers whom every play edits."""
OWN = ("leaves", "returns", "remade", "back", "merged", "rival", "winner")
"""Customers that each play has of its own, since what happens to them happens once."""
OLD = ("anew", "asked")
"""Own ones too, last decided by the first version of the mapping."""


async def before(world: World, marks: Iterable[str]) -> None:
    """Customers on both sides, at rest: what the first version of the mapping decided, then the others."""
    marks = tuple(marks)
    old = [f"{name}{mark}" for name in OLD for mark in marks]
    for name in old:
        await world.post(name, {"last_name": f"Last {name}", "address.country": "Romania"}, named=False)
    await world.rest()
    for name in old:
        await world.post(name, {"address.country": "France"})
        world.edit(name, Preferred_Language__c="English")
        await world.show(name, "preferred_language", "Romanian")
    await world.rest()
    assert {record["MailingCountry"] for record in world.records()} == {"Romania"}, "held back so far"
    await world.take_up(2)
    for name in (*SHARED, *(f"{name}{mark}" for name in OWN for mark in marks)):
        fields = {"last_name": f"Last {name}", "email": f"{name}@example.org", **SHARED.get(name, {})}
        await world.post(name, fields, named=False)
    await world.rest()


async def facts(world: World, mark: str) -> None:
    """All that can happen, at once."""
    await edits(world, mark)
    await existence(world, mark)


async def existence(world: World, mark: str) -> None:
    """All that befalls the play's own customers."""
    await deletions(world, mark)
    await merges(world, mark)
    await strangers(world, mark)
    await world.post(f"anew{mark}", {"title": f"Speaker {mark}"})
    await world.ring(f"asked{mark}")


async def edits(world: World, mark: str) -> None:
    """An update, a conflict, an overruling trigger, a refused row, an edit that comes in, a new customer."""
    await world.post("c1", {"title": f"Speaker {mark}", "first_name": f"Ada {mark}"})
    # In this order: who posts within two seconds of what is shown has not seen it, however slow the machine is.
    world.edit("c2", Title=f"Countess {mark}")
    await world.post("c2", {"title": f"Engineer {mark}"})
    await world.post("c3", {"department": f"Engines {mark}"})
    await world.post("c4", {"title": f"Forbidden {mark}"})
    world.edit("c4", MailingCity=f"Cluj {mark}")
    world.edit("c5", MailingCity=f"Turda {mark}")
    await world.post(f"new-{mark}", {"last_name": f"Byron {mark}", "address.city": "London"}, named=False)


async def deletions(world: World, mark: str) -> None:
    """By the platform: for good, taken back, and of a customer who was hardly there. By a user: for good, undone."""
    await world.post(f"leaves{mark}", {}, deleted=True)
    await world.post(f"returns{mark}", {}, deleted=True)
    await world.post(f"returns{mark}", {"title": f"Again {mark}"})
    await world.post(f"brief{mark}", {"last_name": f"Brief {mark}"}, named=False)
    await world.post(f"brief{mark}", {}, deleted=True)
    world.act(Edit(action="delete", key={KEY: f"remade{mark}"}))
    back = world.record_id(f"back{mark}")
    world.act(Edit(action="delete", id=back))
    world.act(Edit(action="undelete", id=back))


async def merges(world: World, mark: str) -> None:
    """Into a record that nobody has yet, and into another customer's.

    The former names a write, of nobody's, so that none makes a customer of it before it is merged.
    """
    fields = {"LastName": f"Master {mark}", "MailingCity": "Iasi", TOKEN: "elsewhere:1"}
    (master,) = world.act(Edit(action="create", fields=fields))
    world.act(Edit(action="merge", id=master, losers=(world.record_id(f"merged{mark}"),)))
    world.act(Edit(action="merge", key={KEY: f"winner{mark}"}, losers=(world.record_id(f"rival{mark}"),)))
    await world.post(f"merged{mark}", {"title": f"Merged {mark}"})


async def strangers(world: World, mark: str) -> None:
    """A record that a user makes, and one that is loaded while the platform makes the same customer."""
    (made,) = world.act(Edit(action="create", fields={"LastName": f"Stranger {mark}"}))
    world.act(Edit(id=made, fields={"Title": f"Guest {mark}"}))
    last = f"Loaded {mark}"
    world.act(Edit(action="create", fields={KEY: f"loaded{mark}", "LastName": last, "MailingCity": "Arad"}))
    await world.post(f"loaded{mark}", {"last_name": last, "title": f"Guest {mark}"}, named=False)


def assert_expected(outcome: Outcome, *, edited: Iterable[str] = (*SHARED, "new-#")) -> None:
    """What a play leaves behind, its mark left out; `edited` are the documents of `edits`."""
    documents, records = outcome.documents, outcome.records
    alive = {*edited, *(f"{name}#" for name in ALIVE)}
    ended = {"leaves#": "deleted", "brief#": "deleted", "rival#": "gone"}
    assert documents.keys() ^ alive == ended.keys()
    assert records.keys() ^ alive == set()
    assert not only_one_each(outcome), "a record each"
    refused = dict.fromkeys(alive & {"c4"}, "error")
    statuses = {name: document["status"] for name, document in documents.items()}
    assert statuses == dict.fromkeys(alive, "synced") | ended | refused
    for name in alive - refused.keys():
        (row,) = records[name]
        assert row == row | {field: documents[name][path] for path, field in SHOWN.items()}, "the same on both sides"
    titles = {"returns#": "Again #", "merged#": "Merged #", "record of Stranger #": "Guest #", "loaded#": "Guest #"}
    assert {name: documents[name]["title"] for name in titles} == titles
    assert documents["merged#"]["last_name"] == "Master #", "what the person who merged has left standing"
    assert (documents["merged#"]["address.city"], documents["loaded#"]["address.city"]) == ("Iasi", "Arad")
    for name in OLD:
        decided = documents[f"{name}#"]
        assert (decided["address.country"], decided["preferred_language"]) == ("France", "Romanian"), "decided again"
    audited = {(document, path) for document, path, *_values in outcome.audit}
    assert {(f"{name}#", "preferred_language") for name in OLD} <= audited


ALIVE = ("returns", "remade", "back", "merged", "winner", "record of Stranger ", "loaded", *OLD)
SHOWN = {"last_name": "LastName", "title": "Title", "address.city": "MailingCity", "address.country": "MailingCountry"}
