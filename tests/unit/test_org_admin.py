"""The org's admin endpoints that no other test covers, its descriptions, and the org as a process."""

import asyncio
import signal
import socket
import sys
from pathlib import Path

import aiohttp
import orjson
import pytest
from support.org import KEY, org_client

from simulator.org.command import run


async def test_records_are_paged_by_id() -> None:
    """Whole records in id order, the deleted ones on demand."""
    async with org_client() as client:
        ids = [await client.create(FirstName=str(n)) for n in range(5)]
        await client.call("DELETE", f"/sobjects/Contact/{ids[3]}")
        seen = []
        page = await client.admin("GET", "/records/Contact?limit=2")
        while page:
            seen += [one["Id"] for one in page]
            page = await client.admin("GET", f"/records/Contact?limit=2&after={seen[-1]}")
        assert seen == [one for one in ids if one != ids[3]]
        page = await client.admin("GET", "/records/Contact?deleted=true")
        assert [one["IsDeleted"] for one in page] == [False, False, False, True, False]


@pytest.mark.parametrize(
    ("verb", "path", "body", "status"),
    [
        ("GET", "/records/Nothing", None, 404),
        ("GET", "/commits?after=x", None, 400),
        ("GET", "/behind?after=x", None, 400),
        ("GET", "/nothing", None, 404),
        ("PUT", "/commits", None, 405),
        ("POST", "/edits", {"edits": []}, 400),
        ("POST", "/edits", {"action": "create", "id": "003"}, 400),
        ("POST", "/edits", {"fields": {}}, 400),
        ("POST", "/edits", {"action": "merge", "id": "003"}, 400),
        ("POST", "/edits", {"action": "delete", "id": "003", "losers": ["003"]}, 400),
        ("POST", "/gaps", {"type": "UPDATE", "record_ids": ["x"]}, 400),
        ("POST", "/tokens/revoke", {"token": 5}, 400),
    ],
)
async def test_what_admin_cannot_do_it_says(verb: str, path: str, body: object, status: int) -> None:
    """An array of one error."""
    async with (
        org_client() as client,
        client.http.request(verb, f"{client.org.base_url}/admin{path}", json=body) as reply,
    ):
        assert reply.status == status
        assert (await reply.json())[0]["message"]


async def test_how_far_behind_a_position_is() -> None:
    """Events of the selected objects after it, and the last commit's number in the log."""
    async with org_client() as client:
        assert await client.admin("GET", "/behind") == {"waiting": 0, "last_commit": 0}
        for number in range(3):
            await client.create(FirstName=str(number))
        second = client.org.org.bus.after(None, None, 3)[1]
        assert await client.admin("GET", "/behind") == {"waiting": 3, "last_commit": 3}
        assert await client.admin("GET", f"/behind?after={second.replay_id}") == {"waiting": 1, "last_commit": 3}


async def test_tokens_and_replay_ids_can_be_ended() -> None:
    """All tokens or one; all events or up to one."""
    async with org_client() as client:
        for _ in range(3):
            await client.create()
        bus = client.org.org.bus
        first = bus.earliest()
        assert await client.admin("POST", "/replay/expire", {"up_to": first}) == {"expired": 1}
        assert await client.admin("POST", "/replay/expire") == {"expired": 2}
        assert bus.latest() is None
        assert await client.admin("POST", "/tokens/revoke", {"token": "unknown"}) == {"revoked": 0}
        assert await client.admin("POST", "/tokens/revoke", {"token": client.token}) == {"revoked": 1}
        assert await client.admin("POST", "/tokens/revoke") == {"revoked": 0}
        assert (await client.call("GET", "/limits"))[0] == 401


async def test_versions_and_roots_are_told() -> None:
    """Versions to anyone, in order, with their release's name."""
    async with org_client() as client:
        async with client.http.get(f"{client.org.base_url}/services/data") as reply:
            versions = await reply.json()
        assert [one["version"] for one in versions] == [f"{number}.0" for number in range(58, 68)]
        labels = {one["version"]: one["label"] for one in versions}
        known = {"58.0": "Summer '23", "60.0": "Spring '24", "62.0": "Winter '25", "65.0": "Winter '26"}
        assert {version: labels[version] for version in known} == known
        assert labels["67.0"] == "Summer '26"
        _, told = await client.call("GET", "/")
        assert told["query"] == "/services/data/v60.0/query"
        await client.create()
        _, told = await client.call("GET", "/limits/recordCount?sObjects=Contact,user")
        assert told == {"sObjects": [{"count": 1, "name": "Contact"}, {"count": 1, "name": "User"}]}
        assert (await client.call("GET", "/limits/recordCount?sObjects=Nothing"))[0] == 400


async def test_objects_describe_themselves() -> None:
    """What a client needs before it maps: required, writable, unique, lengths, picklists, references."""
    async with org_client() as client:
        _, told = await client.call("GET", "/sobjects")
        assert {one["name"] for one in told["sobjects"]} == {
            "Account",
            "Campaign",
            "CampaignMember",
            "CampaignMemberStatus",
            "Contact",
            "Lead",
            "Opportunity",
            "Organization",
            "RecordType",
            "Task",
            "User",
        }
        assert told["maxBatchSize"] == 200
        _, told = await client.call("GET", "/sobjects/contact")
        assert told["objectDescribe"]["keyPrefix"] == "003"
        status, told, headers = await client.full("GET", "/sobjects/Contact/describe")
        assert status == 200
        fields = {one["name"]: one for one in told["fields"]}
        required = {
            name
            for name, one in fields.items()
            if not one["nillable"] and not one["defaultedOnCreate"] and one["createable"]
        }
        assert required == {"LastName"}
        assert (fields[KEY]["externalId"], fields[KEY]["unique"], fields[KEY]["idLookup"]) == (True, True, True)
        assert (fields["LastName"]["length"], fields["LastName"]["compoundFieldName"]) == (80, "Name")
        assert not fields["Name"]["updateable"]
        assert not fields["MailingAddress"]["createable"]
        assert fields["Customer_Tier__c"]["restrictedPicklist"]
        assert fields["Customer_Tier__c"]["picklistValues"][0]["value"] == "Enterprise"
        assert (fields["AccountId"]["referenceTo"], fields["AccountId"]["relationshipName"]) == (["Account"], "Account")
        assert not fields["Description"]["filterable"]
        kinds = {name: (one["type"], one["soapType"]) for name, one in fields.items()}
        assert kinds["Total_Spent__c"] == ("currency", "xsd:double")
        assert kinds["Birthdate"] == ("date", "xsd:date")
        assert kinds["MailingAddress"] == ("address", "urn:address")
        assert len({frozenset(one) for one in told["fields"]}) == 1
        known = {"If-Modified-Since": headers["Last-Modified"]}
        assert (await client.call("GET", "/sobjects/Contact/describe", headers=known))[0] == 304
        assert (await client.call("GET", "/sobjects/Nothing/describe"))[0] == 404


async def test_an_org_in_a_folder_goes_on_where_it_was(tmp_path: Path) -> None:
    """Records, events and numbers outlive it; tokens do not."""
    async with org_client(directory=tmp_path) as client:
        first = await client.create()
        token = client.token
        (before,) = await client.admin("GET", "/commits")
    async with org_client(directory=tmp_path) as client:
        assert (await client.read(first))["LastName"] == "Doe"
        second = await client.create()
        assert second > first
        log = await client.admin("GET", "/commits")
        assert log[0] == before
        assert log[1]["number"] == 2
        assert log[1]["commit_number"] > before["commit_number"]
        assert len(client.events()) == 2
        client.token = token
        assert (await client.call("GET", "/limits"))[0] == 401


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
async def test_the_org_runs_alone_until_it_is_told_to_stop(stop: signal.Signals) -> None:
    """One JSON line tells how to reach it; it ends well."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "simulator", "org", "--port", "0"), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        told = orjson.loads(await asyncio.wait_for(process.stdout.readline(), 30))
        assert set(told) == {"base_url", "client_id", "client_secret"}
        form = {
            "grant_type": "client_credentials",
            "client_id": told["client_id"],
            "client_secret": told["client_secret"],
        }
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{told['base_url']}/services/oauth2/token", data=form) as reply,
        ):
            assert reply.status == 200
        process.send_signal(stop)
        assert await asyncio.wait_for(process.wait(), 30) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def test_a_port_that_is_taken_is_told_in_one_line() -> None:
    """Instead of a traceback; the exit code is 1, as of every message that ends a program."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit, match=f"^the org cannot listen on port {port}: .*in use"):
            run(port)
