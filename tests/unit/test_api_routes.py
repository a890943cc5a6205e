"""Connection, runs, queries and the mapping: what is answered, with the outside in memory."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.api_world import ApiWorld
from support.fakes_api import RunningApi, running_api

from listener.api import problem
from listener.api.openapi import document, problems_of
from listener.api.queries import NotAnswered, QueryTooSlow
from schemas.api_key import Scope

PATH = "/api/integrations/salesforce"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def world() -> ApiWorld:
    """The outside."""
    return ApiWorld()


@pytest.fixture
async def api(world: ApiWorld) -> AsyncIterator[RunningApi]:
    """The API with every route."""
    async with running_api(world.groups()) as running:
        yield running


async def ask(api: RunningApi, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, Any]:
    """One request below the prefix."""
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    status, answer, response = await api.call(method, PATH + path, body, headers=told)
    return status, answer, response.headers


async def test_the_address_at_which_a_person_agrees(api: RunningApi, world: ApiWorld) -> None:
    """As the document has it; where nobody has to agree, the answer says so."""
    status, told, _ = await ask(api, "GET", "/auth")
    assert (status, list(told)) == (200, ["auth_url"])
    world.connecting.needed = False
    status, told, _ = await ask(api, "GET", "/auth")
    assert (status, told["type"]) == (409, "urn:tandem:problem:no_consent_needed")


async def test_the_redirect_needs_no_key_and_what_it_says_is_escaped(api: RunningApi, world: ApiWorld) -> None:
    """Its state says whose it is; parameters that Salesforce adds are passed over."""
    for code, status, said in (("bad", 400, "&lt;state&gt;"), ("good", 200, "connected")):
        query = f"?code={code}&state=a%26b&sfdc_community_id=1"
        async with api.http.get(f"{api.url}{PATH}/callback{query}") as response:
            text = await response.text()
            assert (response.status, said in text) == (status, True), text
            assert response.headers["Referrer-Policy"] == "no-referrer"
    assert world.connecting.answers[-1] == "state=a%26b&code=good"


async def test_the_redirect_handed_on(api: RunningApi) -> None:
    """The platform's own page may be the callback."""
    status, told, _ = await ask(api, "POST", "/callback", {"code": "bad", "state": "s"})
    assert (status, told["type"]) == (422, "urn:tandem:problem:not_connected")
    status, told, _ = await ask(api, "POST", "/callback", {"code": "good", "state": "s"})
    assert (status, told["connected"]) == (200, True)


async def test_the_connection_as_the_document_has_it(api: RunningApi, world: ApiWorld) -> None:
    """Connected, where, as whom, since when; before that, why not."""
    _, told, _ = await ask(api, "GET", "/connection")
    assert (told["connected"], told["user"], told["last_sync"]) == (False, None, None)
    world.connecting.connected = True
    _, told, _ = await ask(api, "GET", "/connection")
    assert told == {
        "connected": True,
        "instance_url": "https://acme.my.salesforce.com",
        "user": "admin@acme.example",
        "org_id": "00D000000000001AAA",
        "last_sync": "2025-01-15T10:30:00Z",
        "reason": None,
    }


async def test_a_run_is_asked_for_once_and_followed(api: RunningApi, world: ApiWorld) -> None:
    """With the document's own body; the same key is the same run, and its end is the caller's to ask for."""
    body = {"direction": "push", "filter": {"created_after": "2025-01-01"}}
    status, told, headers = await ask(api, "POST", "/sync/contacts", body, Idempotency_Key="k")
    assert (status, told["state"], headers["Location"]) == (202, "planned", f"{PATH}/sync/runs/{told['id']}")
    api.kept.by_name.clear()
    _, again, _ = await ask(api, "POST", "/sync/contacts", body, Idempotency_Key="k")
    assert again["id"] == told["id"]
    (run,) = world.runs.runs.values()
    assert (str(run.request.created_since), run.request.direction) == ("2025-01-01 00:00:00+00:00", "push")
    assert run.request.since is None, "when it was made is not when it was changed"
    assert run.request.by == "api key 0123456789ab (shop)"
    assert (await ask(api, "GET", f"/sync/runs/{told['id']}"))[1]["id"] == told["id"]
    assert [each["id"] for each in (await ask(api, "GET", "/sync/runs?limit=5"))[1]["runs"]] == [told["id"]]
    assert (await ask(api, "POST", f"/sync/runs/{told['id']}/cancel"))[1]["state"] == "cancelled"
    status, refused, _ = await ask(api, "POST", f"/sync/runs/{told['id']}/cancel")
    assert (status, refused["type"]) == (409, "urn:tandem:problem:ended")
    assert (await ask(api, "GET", "/sync/runs/none"))[0] == 404


async def test_runs_come_in_pages(api: RunningApi) -> None:
    """Each is on one of them; a page behind a run that there is not is none."""
    made = [(await ask(api, "POST", "/sync/contacts", {}))[1]["id"] for _ in range(5)]
    path, seen = "/sync/runs?limit=2", []
    while path:
        _, page, _ = await ask(api, "GET", path)
        seen += [each["id"] for each in page["runs"]]
        path = (page["next"] or "").removeprefix(PATH)
    assert seen == made[::-1]
    assert (await ask(api, "GET", "/sync/runs?behind=none"))[0] == 404


@pytest.mark.parametrize(
    ("what", "body", "status"),
    [
        ("contacts", {}, 202),
        ("all", {"direction": "both", "filter": {"changed_after": "2026-01-01T00:00:00+02:00"}}, 202),
        ("customer", {"filter": {"where": {"path": "email", "present": True}}}, 202),
        ("Ticket_Order__c", {"dry_run": True}, 202),
        ("leads", {}, 202),
        ("visits", {}, 422),
        ("contacts", {"filter": {"where": {"path": "no_such", "present": True}}}, 422),
        ("contacts", {"direction": "sideways"}, 422),
        ("contacts", {"filter": {"created_after": "yesterday"}}, 422),
    ],
)
async def test_what_a_run_may_be_of(api: RunningApi, what: str, body: Any, status: int) -> None:
    """Objects, kinds, all; what the mapping has not is named."""
    assert (await ask(api, "POST", f"/sync/{what}", body))[0] == status


async def test_a_query_is_written_anew_and_paged(api: RunningApi, world: ApiWorld) -> None:
    """With the document's own SELECT; another caller's cursor leads nowhere."""
    body = {"query": "SELECT Id, Email, FirstName FROM Contact WHERE Email != null LIMIT 10"}
    status, told, _ = await ask(api, "POST", "/query", body)
    assert (status, told["soql"], told["total"], told["done"]) == (200, world.queries.asked[0], 3, False)
    assert world.queries.asked[0].endswith("LIMIT 10")
    status, last, _ = await ask(api, "GET", told["next"].removeprefix(PATH))
    assert (status, last["records"], last["done"], last["next"]) == (200, [{"Id": "3"}], True, None)
    other = api.keys.add(Scope.QUERY, id="aaaaaaaaaaaa")
    assert (await api.call("GET", told["next"], key=other))[0] == 404


async def test_every_fault_of_a_query_is_named(api: RunningApi, world: ApiWorld) -> None:
    """Nothing is asked."""
    status, told, _ = await ask(api, "POST", "/query", {"query": "SELECT Secret__c, Id FROM Contact WHERE Nope__c = 1"})
    assert (status, len(told["errors"])) == (422, 2)
    question = {"object": "customer", "fields": ["nope", "email"], "conditions": {"field": "nada", "value": 1}}
    status, told, _ = await ask(api, "POST", "/query/build", question)
    assert (status, told["type"], len(told["errors"])) == (422, "urn:tandem:problem:query_refused", 2)
    assert world.queries.asked == []


async def test_a_question_and_its_soql(api: RunningApi, world: ApiWorld) -> None:
    """By the platform's names; built alone it asks nothing."""
    question = {"object": "customer", "fields": ["email"], "order": [{"field": "last_name"}], "limit": 3}
    _, built, _ = await ask(api, "POST", "/query/soql", question)
    assert built["soql"].startswith("SELECT Email FROM Contact ORDER BY LastName")
    assert world.queries.asked == []
    assert (await ask(api, "POST", "/query/build", question))[1]["soql"] == world.queries.asked[0] == built["soql"]


@pytest.mark.parametrize(
    ("fails", "status", "word"),
    [(QueryTooSlow(), 504, "query_too_slow"), (NotAnswered("SERVER_UNAVAILABLE"), 503, "salesforce_unavailable")],
)
async def test_salesforce_is_slow_or_away(
    api: RunningApi, world: ApiWorld, fails: Exception, status: int, word: str
) -> None:
    """Each has its own answer, and neither is ours to be blamed for."""
    world.queries.fails = fails
    found, told, _ = await ask(api, "POST", "/query", {"query": "SELECT Id FROM Contact"})
    assert (found, told["type"]) == (status, f"urn:tandem:problem:{word}")


async def test_the_flat_form_goes_round(api: RunningApi) -> None:
    """What `GET` gives, `PUT` takes, and nothing differs."""
    _, told, headers = await ask(api, "GET", "/mappings")
    assert told["contact"]["email"] == "Email"
    status, result, _ = await ask(api, "PUT", "/mappings", told, If_Match=headers["ETag"])
    assert (status, result) == (200, {"version": 1, "published": False, "differences": []})


async def test_the_full_form_goes_round_and_replaces_all(api: RunningApi, world: ApiWorld) -> None:
    """It names the version that it was made from."""
    _, full, _ = await ask(api, "GET", "/mappings?form=full")
    status, result, _ = await ask(api, "PUT", "/mappings", full)
    assert (status, result["differences"]) == (200, [])
    del full["kinds"]["deal"]
    status, result, _ = await ask(api, "PUT", "/mappings?note=no%20deals", full)
    assert (status, result["version"], result["published"]) == (200, 2, True)
    assert world.mappings.published[-1][1].note == "no deals"
    status, told, _ = await ask(api, "PUT", "/mappings", full)
    assert (status, told["type"]) == (412, "urn:tandem:problem:mapping_moved_on")


async def test_a_new_field_has_the_defaults_and_null_takes_one_out(api: RunningApi, world: ApiWorld) -> None:
    """What is not named stays as it is."""
    wanted = {"contact": {"fax": "Fax", "title": None, "email": "Email"}}
    _, told, _ = await ask(api, "PUT", "/mappings?dry_run=true", wanted)
    assert (told["published"], len(world.mappings.published)) == (False, 1)
    _, told, _ = await ask(api, "PUT", "/mappings", wanted)
    assert set(told["differences"]) == {
        "customer: Fax is mapped to fax",
        "customer: Title is no longer mapped to title",
    }
    fields = {each.platform: each for each in world.mappings.published[-1][0].kinds["customer"].fields}
    assert (str(fields["fax"].direction), str(fields["fax"].policy)) == ("both", "salesforce_wins")
    assert fields["email"].transform
    assert "title" not in fields


async def test_every_mistake_of_a_mapping_is_named(api: RunningApi, world: ApiWorld) -> None:
    """Its shape, its names, what holds between its parts, and what the org says."""
    status, told, _ = await ask(api, "PUT", "/mappings", {"contact": {"a b": "Email", "c": "1"}})
    assert (status, len(told["errors"])) == (422, 2)
    status, told, _ = await ask(api, "PUT", "/mappings", {"nobody": {"a": "A"}, "nothing": {"b": "B"}})
    assert {each["pointer"] for each in told["errors"]} == {"/nobody", "/nothing"}
    status, told, _ = await ask(api, "PUT", "/mappings", {"contact": {"mail": "Email", "city": "MailingCity"}})
    assert (status, told["type"], len(told["errors"]) >= 2) == (422, "urn:tandem:problem:mapping_refused", True)
    world.mappings.against = ("customer: Fax is not there (as the org has it)",)
    status, told, _ = await ask(api, "PUT", "/mappings", {"contact": {"fax": "Fax"}})
    assert (status, told["errors"][0]["detail"]) == (422, world.mappings.against[0])
    assert len(world.mappings.published) == 1


async def test_a_mapping_with_faults_of_every_sort_has_all_of_them_named_at_once(
    api: RunningApi, world: ApiWorld
) -> None:
    """What cannot be read, what does not hold together, what documents cannot follow, and what the org says."""
    _, wanted, _ = await ask(api, "GET", "/mappings?form=full")
    customer, deal = wanted["kinds"]["customer"], wanted["kinds"]["deal"]
    customer["fields"][0]["policy"] = "newest"
    customer["fields"][1]["region"] = "RO"
    deal["collection"] = "other_deals"
    world.mappings.against = ("customer.fields.fax: the object has no field Fax (as the org has it)",)
    for method, path in (("PUT", "/mappings"), ("POST", "/mappings/plan")):
        status, told, _ = await ask(api, method, path, wanted)
        assert (status, told["type"]) == (422, "urn:tandem:problem:invalid")
        first, *rest = [each["detail"] for each in told["errors"]]
        assert told["errors"][0]["pointer"] == "/kinds/customer/fields/0/policy"
        assert "Input should be" in first
        assert [line.partition(":")[0] for line in rest] == [
            "kinds.customer.fields[1].region",
            "kinds.deal.collection",
            "customer.fields.fax",
        ]
    flat = {"contact": {"a b": "Fax", "mail": "Email"}, "nobody": {"a": "A"}, "deal": "all"}
    _, told, _ = await ask(api, "PUT", "/mappings", flat)
    places = [each.get("pointer") or each["detail"].partition(":")[0] for each in told["errors"]]
    assert places[:3] == ["/contact/a b/[key]", "/deal", "/nobody"]
    assert places[3].startswith("kinds.customer.fields[")
    assert places[-1] == "customer.fields.fax"
    assert len(world.mappings.published) == 1


async def test_an_org_that_is_away_hides_no_fault(api: RunningApi, world: ApiWorld) -> None:
    """All else is told, and that there may be more; where nothing is wrong it forbids nothing."""
    world.mappings.untold = "Salesforce does not answer"
    status, told, _ = await ask(api, "POST", "/mappings/plan", {"contact": {"mail": "Email"}})
    lines = [each["detail"] for each in told["errors"]]
    assert (status, told["type"]) == (422, "urn:tandem:problem:mapping_refused")
    assert lines[-1] == "not compared with the org: Salesforce does not answer"
    assert "is already mapped by" in lines[0]
    assert (await ask(api, "PUT", "/mappings", {"contact": {"fax": "Fax"}}))[0] == 200


async def test_versions_their_difference_a_plan_and_the_way_back(api: RunningApi, world: ApiWorld) -> None:
    """Nothing is lost: an older version is published anew."""
    await ask(api, "PUT", "/mappings", {"contact": {"fax": "Fax"}})
    _, told, _ = await ask(api, "GET", "/mappings/diff?from=1")
    assert told == {"before": 1, "after": 2, "differences": ["customer: Fax is mapped to fax"]}
    _, plan, _ = await ask(api, "POST", "/mappings/plan", {"contact": {"fax": None}})
    assert (plan["version"], plan["api_calls_to_read"], plan["api_calls_to_write"]) == (2, 1, 2)
    assert plan["differences"] == ["customer: Fax is no longer mapped to fax"]
    _, back, _ = await ask(api, "POST", "/mappings/rollback", {"version": 1})
    assert (back["version"], back["published"]) == (3, True)
    _, versions, _ = await ask(api, "GET", "/mappings/versions")
    newest = versions["versions"][0]
    assert (newest["version"], newest["note"]) == (3, "as version 1")
    assert "fax" not in str((await ask(api, "GET", "/mappings/versions/3"))[1])
    for method, path, body in (
        ("GET", "/mappings/versions/9", None),
        ("GET", "/mappings/diff?from=9", None),
        ("POST", "/mappings/rollback", {"version": 9}),
    ):
        assert (await ask(api, method, path, body))[0] == 404
    assert (await ask(api, "PUT", "/mappings", {"contact": {}}, If_Match='"1"'))[0] == 412
    assert (await ask(api, "PUT", "/mappings", {"contact": {}}, If_Match="1"))[0] == 422
    assert len(world.mappings.published) == 3


def test_the_page_tells_of_every_problem_and_every_route(world: ApiWorld) -> None:
    """docs/api.md names each word and each address."""
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    words = {each.word for group in world.groups() for route in group.routes for each in problems_of(route)}
    words |= {problem.NO_ROUTE.word, problem.METHOD.word}
    assert {word for word in words if f"| `{word}` |" not in page} == set()
    told = document(world.groups())
    addresses = {f"{method.upper()} {path}" for path, methods in told["paths"].items() for method in methods}
    assert {address for address in addresses if address not in page} == set()
