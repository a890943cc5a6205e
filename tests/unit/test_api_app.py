"""The API whatever its routes do: keys, scopes, limits, problem details, idempotency keys, and the document."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from pydantic import BaseModel, ConfigDict, Field
from support.fakes_api import NOW, RunningApi, running_api

from listener.api.problem import NOT_FOUND, Problem
from listener.api.routes import GET, POST, Answer, Call, Group, Route, Router
from schemas.api_key import Scope
from schemas.unavailable import Unavailable


class Thing(BaseModel):
    """A thing."""

    id: str
    size: int = 0


class ThingPath(BaseModel):
    """Which."""

    id: str


class Made(BaseModel):
    """What is made."""

    model_config = ConfigDict(extra="forbid")

    size: int = Field(ge=1)
    parts: list[Thing] = []


class Things:
    """Counts how often something was made."""

    def __init__(self) -> None:
        self.made = 0
        self.wait: asyncio.Event | None = None
        self.fails: Exception | None = None

    async def show(self, call: Call) -> Answer:
        """One."""
        thing = call.path(ThingPath).id
        if thing == "none":
            raise Problem(NOT_FOUND, "no such thing")
        return Answer(Thing(id=thing))

    async def make(self, call: Call) -> Answer:
        """Another."""
        if self.fails is not None:
            raise self.fails
        if self.wait is not None:
            await self.wait.wait()
        self.made += 1
        return Answer(Thing(id=str(self.made), size=call.body(Made).size), status=201, about="thing/1")

    def group(self) -> Group:
        """Their routes."""
        return Group(
            "Things",
            "/api/things",
            (
                Route(GET, "/{id}", self.show, Scope.READ, "One", {200: Thing}, path=ThingPath, problems=(NOT_FOUND,)),
                Route(POST, "", self.make, Scope.EVENTS, "Make one", {201: Thing}, body=Made, idempotent=True),
            ),
        )


@pytest.fixture
def things() -> Things:
    """The handlers."""
    return Things()


@pytest.fixture
async def api(things: Things) -> AsyncIterator[RunningApi]:
    """The API with them."""
    async with running_api([things.group()], burst=50, max_body_bytes=1000) as running:
        yield running


def problem(body: dict[str, object], word: str) -> None:
    """It is a problem detail of this sort."""
    assert body["type"] == f"urn:tandem:problem:{word}"
    assert {"title", "status"} <= body.keys()


async def test_a_good_request_is_answered_by_its_model(api: RunningApi) -> None:
    """With the request's id, which may be the caller's own, and counted by the template and never by the address."""
    status, body, response = await api.call("GET", "/api/things/a%2Fb", headers={"X-Request-Id": "mine-1"})
    assert (status, body) == (200, {"id": "a/b", "size": 0})
    assert response.headers["X-Request-Id"] == "mine-1"
    assert response.headers["Cache-Control"] == "no-store"
    assert api.answered == [("/api/things/{id}", "GET", 200)]


async def test_a_head_is_a_get_without_its_body(api: RunningApi) -> None:
    """And the connection goes on behind it."""
    for method, said in (("HEAD", None), ("GET", {"id": "a", "size": 0})):
        status, body, response = await api.call(method, "/api/things/a")
        assert (status, body, response.content_type) == (200, said, "application/json")


@pytest.mark.parametrize(
    ("method", "path", "status", "word"),
    [
        ("GET", "/nowhere", 404, "no_route"),
        ("GET", "/api/things/a/b", 404, "no_route"),
        ("DELETE", "/api/things/a", 405, "method"),
        ("GET", "/api/things/none", 404, "not_found"),
        ("GET", "/api/things/a?size=1", 422, "invalid"),
    ],
)
async def test_every_error_is_a_problem_detail(api: RunningApi, method: str, path: str, status: int, word: str) -> None:
    """By RFC 9457, with its media type."""
    found, body, response = await api.call(method, path)
    assert (found, body["status"]) == (status, status)
    assert response.content_type == "application/problem+json"
    problem(body, word)
    assert body["request_id"] == response.headers["X-Request-Id"]
    if status == 405:
        assert response.headers["Allow"] == "GET, HEAD"


async def test_every_wrong_place_of_a_body_is_named_and_no_value(api: RunningApi) -> None:
    """By JSON Pointers."""
    status, body, _ = await api.call("POST", "/api/things", {"size": 0, "parts": [{"size": "secret"}], "more": 1})
    assert status == 422
    assert {fault["pointer"] for fault in body["errors"]} == {"/size", "/parts/0/id", "/parts/0/size", "/more"}
    assert "secret" not in str(body)


@pytest.mark.parametrize(
    ("raw", "content_type", "status", "word"),
    [
        (b"{", "application/json", 400, "malformed"),
        (b'{"size": NaN}', "application/json", 400, "malformed"),
        (b"size=1", "application/x-www-form-urlencoded", 415, "media"),
        (b'{"size": 1, "parts": [' + b" " * 2000 + b"]}", "application/json", 413, "too_large"),
    ],
)
async def test_a_body_that_cannot_be_read(
    api: RunningApi, raw: bytes, content_type: str, status: int, word: str
) -> None:
    """Each has its own answer."""
    found, body, _ = await api.call("POST", "/api/things", raw, headers={"Content-Type": content_type})
    assert found == status
    problem(body, word)


@pytest.mark.parametrize(
    ("key", "told"),
    [
        (None, "no key was sent"),
        ("tdm_0123456789ab_short", "holds no key"),
        ("tdm_ffffffffffff_" + "s" * 43, "not known"),
        ("tdm_0123456789ab_" + "t" * 43, "wrong"),
    ],
)
async def test_without_a_good_key_nothing_is_done(api: RunningApi, key: str | None, told: str) -> None:
    """401, and what is asked for."""
    status, body, response = await api.call("GET", "/api/things/a", key=key)
    assert status == 401
    problem(body, "unauthenticated")
    assert told in body["detail"]
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_key_may_do_what_its_scopes_say(api: RunningApi) -> None:
    """403 names the scope that is wanting."""
    key = api.keys.add(Scope.READ, id="aaaaaaaaaaaa")
    assert (await api.call("GET", "/api/things/a", key=key))[0] == 200
    status, body, _ = await api.call("POST", "/api/things", {"size": 1}, key=key)
    assert status == 403
    problem(body, "out_of_scope")
    assert "`events`" in body["detail"]


async def test_a_key_is_hashed_once_and_held_against_the_store_again_after_seconds(api: RunningApi) -> None:
    """So that argon2 is not paid for each request, and a revoked key ends all the same."""
    for _ in range(3):
        assert (await api.call("GET", "/api/things/a"))[0] == 200
    assert (api.hashes.tried, api.keys.read_count) == (1, 1)
    api.keys.by_id["0123456789ab"] = api.keys.by_id["0123456789ab"].model_copy(update={"revoked_at": datetime.now(UTC)})
    assert (await api.call("GET", "/api/things/a"))[0] == 200
    api.clock[0] += 6
    status, body, _ = await api.call("GET", "/api/things/a")
    assert (status, "revoked" in body["detail"]) == (401, True)
    assert (api.hashes.tried, api.keys.read_count) == (1, 2)


async def test_a_good_key_is_good_for_all_who_come_at_once(api: RunningApi) -> None:
    """A process that has just begun knows no key yet: its first burst of requests is no trying out of secrets."""
    answers = await asyncio.gather(*(api.call("GET", "/api/things/a") for _ in range(40)))
    assert {status for status, _, _ in answers} == {200}
    assert api.hashes.tried <= 2


async def test_a_key_ends_when_its_time_is_over(api: RunningApi) -> None:
    """By the clock of the request, also where it is remembered."""
    ends = datetime.fromtimestamp(NOW / 1000 - 1, UTC)
    key = api.keys.add(Scope.READ, id="aaaaaaaaaaaa", ends_at=ends)
    assert (await api.call("GET", "/api/things/a", key=key))[0] == 401


async def test_secrets_are_not_tried_out(api: RunningApi) -> None:
    """After some wrong ones a key's hash is not tried at all for a while."""
    for number in range(12):
        await api.call("GET", "/api/things/a", key=f"tdm_0123456789ab_{number:043}")
    assert api.hashes.tried == 10


async def test_keys_that_cannot_be_read_are_a_503(api: RunningApi) -> None:
    """The caller may try again; it is not told that its key is bad."""
    api.keys.away = True
    status, body, response = await api.call("GET", "/api/things/a")
    assert (status, response.headers["Retry-After"]) == (503, "5")
    problem(body, "unavailable")


async def test_a_key_has_a_rate(api: RunningApi) -> None:
    """429 says when to come again; another key is not concerned, and one may have a rate of its own."""
    other = api.keys.add(Scope.READ, id="aaaaaaaaaaaa")
    slow = api.keys.add(Scope.READ, id="bbbbbbbbbbbb", rate=2)
    statuses = [(await api.call("GET", "/api/things/a"))[0] for _ in range(51)]
    assert statuses == [200] * 50 + [429]
    assert (await api.call("GET", "/api/things/a", key=other))[0] == 200
    assert [(await api.call("GET", "/api/things/a", key=slow))[0] for _ in range(2)] == [200, 429]
    status, body, response = await api.call("GET", "/api/things/a")
    assert (status, response.headers["Retry-After"]) == (429, "1")
    problem(body, "too_many")
    api.clock[0] += 1
    assert (await api.call("GET", "/api/things/a"))[0] == 200


async def test_a_post_with_an_idempotency_key_is_done_once(api: RunningApi, things: Things) -> None:
    """The answer is given again; another body under the same key is refused; other callers have keys of their own."""
    named = {"Idempotency-Key": "order-7"}
    first = await api.call("POST", "/api/things", {"size": 1, "parts": []}, headers=named)
    again = await api.call(
        "POST", "/api/things", b'{"parts": [],  "size": 1}', headers={**named, "Content-Type": "application/json"}
    )
    assert (first[0], first[1], again[0], again[1]) == (201, {"id": "1", "size": 1}, 201, {"id": "1", "size": 1})
    assert "Idempotent-Replayed" not in first[2].headers
    assert again[2].headers["Idempotent-Replayed"] == "true"
    status, body, _ = await api.call("POST", "/api/things", {"size": 2}, headers=named)
    assert status == 422
    problem(body, "idempotency_key_reused")
    other = api.keys.add(Scope.EVENTS, id="aaaaaaaaaaaa")
    assert (await api.call("POST", "/api/things", {"size": 2}, headers=named, key=other))[1] == {"id": "2", "size": 2}
    assert things.made == 2
    assert set(api.kept.about.values()) == {"thing/1"}


async def test_two_at_once_with_one_idempotency_key(api: RunningApi, things: Things) -> None:
    """The second is told to come again, and hears the answer of the first then."""
    named = {"Idempotency-Key": "order-7"}
    things.wait = asyncio.Event()
    first = asyncio.create_task(api.call("POST", "/api/things", {"size": 1}, headers=named))
    async with asyncio.timeout(30):
        while not api.kept.by_name:  # noqa: ASYNC110 - it asks what a server on the same loop has done
            await asyncio.sleep(0)
    status, body, _ = await api.call("POST", "/api/things", {"size": 1}, headers=named)
    assert status == 409
    problem(body, "idempotency_key_in_use")
    things.wait.set()
    assert (await first)[0] == 201
    assert (await api.call("POST", "/api/things", {"size": 1}, headers=named))[1] == {"id": "1", "size": 1}


async def test_what_was_not_done_may_come_again_under_its_key(api: RunningApi, things: Things) -> None:
    """A refusal and a fault of ours are not kept."""
    named = {"Idempotency-Key": "order-7"}
    for fails, status in ((Unavailable("away"), 503), (Problem(NOT_FOUND), 404), (RuntimeError("oh"), 500)):
        things.fails = fails
        assert (await api.call("POST", "/api/things", {"size": 1}, headers=named))[0] == status
    things.fails = None
    assert (await api.call("POST", "/api/things", {"size": 1}, headers=named))[0] == 201


async def test_what_was_done_is_answered_though_it_cannot_be_kept(api: RunningApi, things: Things) -> None:
    """The store has gone away since: 503 would say that nothing was done. Where nobody could look, it is said."""
    named = {"Idempotency-Key": "order-7"}
    api.kept.fails = {"finish"}
    assert (await api.call("POST", "/api/things", {"size": 1}, headers=named))[:2] == (201, {"id": "1", "size": 1})
    assert [name for name, _ in api.notices if name == "answer_not_kept"]
    api.kept.fails = {"begin"}
    assert (await api.call("POST", "/api/things", {"size": 1}, headers={"Idempotency-Key": "order-8"}))[0] == 503
    assert things.made == 1


async def test_a_key_that_cannot_be_let_go_hides_no_answer(api: RunningApi, things: Things) -> None:
    """The handler's own problem is what the caller has to mend."""
    things.fails, api.kept.fails = Problem(NOT_FOUND), {"drop"}
    status, body, _ = await api.call("POST", "/api/things", {"size": 1}, headers={"Idempotency-Key": "order-7"})
    assert status == 404
    problem(body, "not_found")


async def test_a_fault_of_ours_says_nothing_of_it(api: RunningApi, things: Things) -> None:
    """The log has it; the answer has the request's id, by which it is found there."""
    things.fails = RuntimeError("jane@example.com")
    status, body, response = await api.call("POST", "/api/things", {"size": 1})
    assert status == 500
    problem(body, "internal")
    assert "jane" not in str(body)
    ((event, told),) = api.notices
    assert (event, told["request"], told["error"]) == ("api_failed", response.headers["X-Request-Id"], "RuntimeError")


async def test_too_many_at_once(things: Things) -> None:
    """503, and the address is not even looked at."""
    things.wait = asyncio.Event()
    async with running_api([things.group()], max_in_flight=1) as api:
        first = asyncio.create_task(api.call("POST", "/api/things", {"size": 1}))
        async with asyncio.timeout(30):
            while not api.keys.read_count:  # noqa: ASYNC110
                await asyncio.sleep(0)
        status, body, _ = await api.call("GET", "/api/things/a")
        assert status == 503
        problem(body, "busy")
        things.wait.set()
        assert (await first)[0] == 201


async def test_bytes_that_are_not_http_are_answered_in_our_words(api: RunningApi) -> None:
    """And nothing of them comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    async with asyncio.timeout(30):
        writer.write(b"GET /secret HTTP/9.9\r\n\r\n")
        answer = await reader.read()
    writer.close()
    assert answer.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400"))
    assert b"problem+json" in answer
    assert b"secret" not in answer


async def test_the_document_and_the_page_need_no_key_and_nothing_from_elsewhere(api: RunningApi) -> None:
    """Whoever integrates reads them first."""
    status, told, _ = await api.call("GET", "/api/openapi.json", key=None)
    assert (status, told["openapi"]) == (200, "3.1.0")
    make = told["paths"]["/api/things"]["post"]
    assert make["x-scope"] == "events"
    assert {"201", "400", "401", "403", "409", "413", "415", "422", "429", "500", "503"} <= make["responses"].keys()
    for path in ("/api/docs", "/api/docs/try.js", "/api/docs/try.css"):
        async with api.http.get(api.url + path) as response:
            text = await response.text()
            assert response.status == 200
            assert "default-src 'none'" in response.headers["Content-Security-Policy"]
            assert "//" not in text.replace("// ", "")


def test_plain_words_go_before_names_in_braces() -> None:
    """So `/runs/newest` is no run of that name; and braces that no model knows are a mistake of ours."""
    things = Things()
    newest = Route(GET, "/newest", things.make, Scope.READ, "The newest", {200: Thing})
    one = Route(GET, "/{id}", things.show, Scope.READ, "One", {200: Thing}, path=ThingPath)
    router = Router([Group("Things", "/api/things", (one, newest))])
    found = router.find("GET", "/api/things/newest")
    assert not isinstance(found, tuple)
    assert found is not None
    assert found.template == "/api/things/newest"
    with pytest.raises(ValueError, match="names"):
        Router([Group("Things", "/api/things", (Route(GET, "/{name}", things.show, None, "", {}, path=ThingPath),))])
    with pytest.raises(ValueError, match="twice"):
        Router([Group("Things", "/api/things", (one, one))])
