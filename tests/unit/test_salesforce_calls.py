"""One call to Salesforce: headers, logins in the middle, lost and foreign replies, allocation, paging."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp.test_utils import unused_port
from support.scripted_salesforce import (
    CLIENT_ID,
    CLIENT_SECRET,
    DATE_MS,
    Answer,
    ScriptedSalesforce,
    errors,
    scripted_salesforce,
)

from adapters.salesforce.errors import CallFailed
from adapters.salesforce.login import DirectLogins, Login
from adapters.salesforce.opening import Salesforce, open_salesforce
from adapters.salesforce.token_endpoint import TokenEndpoint
from adapters.salesforce.token_forms import client_credentials_form
from schemas.allocation import Allocation
from schemas.records import Failure
from schemas.session import LoginFailed

NOW = 1_700_000_000_000


@pytest.fixture
async def scripted() -> AsyncIterator[ScriptedSalesforce]:
    async with scripted_salesforce() as salesforce:
        yield salesforce


@pytest.fixture
async def org(scripted: ScriptedSalesforce) -> AsyncIterator[Salesforce]:
    async with open_salesforce(scripted.settings(), now=lambda: NOW) as salesforce:
        yield salesforce


async def test_a_call_carries_the_echo_mark_and_the_token(scripted: ScriptedSalesforce, org: Salesforce) -> None:
    """Every call names our client, logs in first, and goes below the version's root."""
    scripted.answers.append(Answer(json={}))
    reply = await org.rest.call("PATCH", "composite/sobjects", json={"allOrNone": False})
    [seen] = scripted.seen
    assert (seen.method, seen.path) == ("PATCH", "/services/data/v62.0/composite/sobjects")
    assert seen.headers["Sforce-Call-Options"] == "client=Tandem"
    assert seen.token == "00D5g0000001aBc!token-1"
    assert "gzip" in seen.headers["Accept-Encoding"]
    assert (reply.began_at, reply.server_time()) == (NOW, DATE_MS)


async def test_after_a_401_the_same_request_is_repeated_with_the_same_headers(
    scripted: ScriptedSalesforce, org: Salesforce
) -> None:
    """A token that ran out costs one login; method, path, body and every header but the token are the same again."""
    scripted.otherwise = lambda _: Answer(json={"fine": True})
    await org.rest.call("GET", "limits")
    scripted.expire_tokens()
    reply = await org.rest.call("PATCH", "composite/sobjects", json={"records": [1]})
    assert reply.json() == {"fine": True}
    refused, repeated = scripted.seen[-2:]
    assert (refused.token, repeated.token) == ("00D5g0000001aBc!token-1", "00D5g0000001aBc!token-2")
    assert (refused.method, refused.path, refused.body) == (repeated.method, repeated.path, repeated.body)

    def kept(headers: object) -> dict[str, str]:
        return {name: value for name, value in dict(headers).items() if name != "Authorization"}  # type: ignore[call-overload]

    assert kept(refused.headers) == kept(repeated.headers)
    assert repeated.headers["Sforce-Call-Options"] == "client=Tandem"


async def test_a_second_401_is_not_run_and_ends_the_call(scripted: ScriptedSalesforce, org: Salesforce) -> None:
    """An org that refuses new tokens too is asked twice, not for ever."""
    scripted.answers.extend([errors(401, "INVALID_SESSION_ID")] * 2)
    with pytest.raises(CallFailed) as failed:
        await org.rest.call("GET", "limits")
    fault = failed.value.fault
    assert (fault.failure, fault.code, fault.org_wide) == (Failure.NOT_RUN, "INVALID_SESSION_ID", True)
    assert (len(scripted.seen), scripted.logins) == (2, 2)


async def test_thirty_calls_refused_at_once_make_one_login(scripted: ScriptedSalesforce, org: Salesforce) -> None:
    """Whoever comes second gets the token already made (failure case 24)."""
    scripted.otherwise = lambda _: Answer(json={})
    await org.rest.call("GET", "limits")
    scripted.expire_tokens()
    await asyncio.gather(*(org.rest.call("GET", f"limits/{number}") for number in range(30)))
    assert scripted.logins == 2


async def test_thirty_first_callers_make_one_login(scripted: ScriptedSalesforce, org: Salesforce) -> None:
    """Sessions are shared from the start, and a session that was not refused lately is not replaced."""
    sessions = await asyncio.gather(*(org.login.current() for _ in range(30)))
    assert scripted.logins == 1
    assert len(set(sessions)) == 1
    renewed = await asyncio.gather(*(org.login.renew(sessions[0]) for _ in range(30)))
    assert scripted.logins == 2
    assert await org.login.renew(sessions[0]) == renewed[0]
    assert scripted.logins == 2


async def test_the_login_sends_client_credentials_and_tells_org_and_time(
    scripted: ScriptedSalesforce, org: Salesforce
) -> None:
    """The form is that of OAuth client credentials; the grant names the org and when it was issued."""
    grant = await org.login.grant()
    assert scripted.login_forms == [
        {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    ]
    assert (grant.org_id, grant.issued_at) == ("00D5g0000001aBcEAI", 1732200000123)
    assert "token-1" not in repr(grant)


async def test_a_refused_login_keeps_its_code_and_shows_no_secret(
    scripted: ScriptedSalesforce, org: Salesforce
) -> None:
    """The OAuth code decides whether a person is needed; even a server that echoes the secret does not get it shown."""
    scripted.login_answers.append(
        Answer(400, {"error": "invalid_client", "error_description": f"bad {CLIENT_SECRET} of {CLIENT_ID}"})
    )
    with pytest.raises(LoginFailed) as failed:
        await org.login.current()
    assert (failed.value.code, failed.value.terminal) == ("invalid_client", True)
    assert CLIENT_SECRET not in str(failed.value)
    assert CLIENT_ID not in str(failed.value)
    assert str(failed.value) == "login refused: invalid_client: bad *** of ***"


async def test_a_failed_login_is_shared_for_a_while(scripted: ScriptedSalesforce) -> None:
    """Callers behind a refused login get its answer without hammering the org; later it is tried again."""
    seconds = [0.0]
    scripted.login_answers.append(Answer(400, {"error": "invalid_grant", "error_description": "no user enabled"}))
    async with aiohttp.ClientSession() as http:
        settings = scripted.settings()
        logins = DirectLogins(TokenEndpoint(http, settings), lambda: client_credentials_form(settings))
        login = Login(logins, clock=lambda: seconds[0])
        results = await asyncio.gather(*(login.current() for _ in range(5)), return_exceptions=True)
        assert [type(result) for result in results] == [LoginFailed] * 5
        assert scripted.logins == 1
        seconds[0] = 30.0
        await login.current()
    assert scripted.logins == 2


async def test_a_token_goes_to_no_instance_that_is_not_known(scripted: ScriptedSalesforce) -> None:
    """Neither Salesforce's own, nor the login's, nor allowed by a setting: there is no session, nothing is sent."""
    grant = {"access_token": "t", "instance_url": "https://partner.example"}
    scripted.login_answers.extend([Answer(json=grant)] * 2)
    async with open_salesforce(scripted.settings(), now=lambda: NOW) as org:
        with pytest.raises(CallFailed) as failed:
            await org.rest.call("GET", "limits")
    assert failed.value.fault.code == "LOGIN:bad_answer"
    async with open_salesforce(scripted.settings(allowed_hosts="Partner.example"), now=lambda: NOW) as org:
        assert (await org.login.current()).instance_url == "https://partner.example"
    assert scripted.seen == []


async def test_a_login_that_does_not_answer_is_not_run(scripted: ScriptedSalesforce) -> None:
    """Without a token nothing of the call was sent: it may be repeated, and no row is to blame."""
    scripted.login_answers.append(Answer(stalled=True))
    async with open_salesforce(scripted.settings(login_timeout=0.05), now=lambda: NOW) as org:
        with pytest.raises(CallFailed) as failed:
            await org.rest.call("GET", "limits")
    fault = failed.value.fault
    assert (fault.failure, fault.code, fault.org_wide) == (Failure.NOT_RUN, "LOGIN:no_answer", True)
    assert scripted.seen == []


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Answer(lost=True), "ServerDisconnectedError"),
        (Answer(stalled=True), "TimeoutError"),
        (Answer(502, text="<html>Bad Gateway</html>"), "HTTP_502"),
        (Answer(200, text="no gzip", headers={"Content-Encoding": "gzip"}), "ClientPayloadError"),
        (Answer(302, text="moved", headers={"Location": "/elsewhere"}), "HTTP_302"),
    ],
)
async def test_no_answer_or_a_gateways_is_unknown(scripted: ScriptedSalesforce, answer: Answer, code: str) -> None:
    """What was sent may have run: a lost reply, a time-out, a gateway's page or a redirect tell nothing."""
    scripted.answers.append(answer)
    async with open_salesforce(scripted.settings(call_timeout=0.3), now=lambda: NOW) as org:
        with pytest.raises(CallFailed) as failed:
            await org.rest.call("PATCH", "composite/sobjects", json={})
    assert (failed.value.fault.failure, failed.value.fault.code) == (Failure.UNKNOWN, code)
    assert failed.value.fault.org_wide
    assert len(scripted.seen) == 1, "a write with an unknown end is never repeated by itself"


async def test_a_connection_refused_is_not_run(scripted: ScriptedSalesforce, org: Salesforce) -> None:
    """Where no connection came about, nothing was sent."""
    grant = {"access_token": "t", "instance_url": f"http://127.0.0.1:{unused_port()}"}
    scripted.login_answers.append(Answer(json=grant))
    with pytest.raises(CallFailed) as failed:
        await org.rest.call("PATCH", "composite/sobjects", json={})
    assert (failed.value.fault.failure, failed.value.fault.org_wide) == (Failure.NOT_RUN, True)


async def test_every_reply_tells_the_allocation(scripted: ScriptedSalesforce) -> None:
    """`Sforce-Limit-Info` is heard on failures too, and the newest one stands."""
    heard: list[Allocation] = []
    scripted.answers.append(Answer(json={}, headers={"Sforce-Limit-Info": "api-usage=17/15000"}))
    scripted.answers.append(
        Answer(403, [{"errorCode": "REQUEST_LIMIT_EXCEEDED"}], headers={"Sforce-Limit-Info": "api-usage=15001/15000"})
    )
    async with open_salesforce(scripted.settings(), now=lambda: NOW, on_allocation=heard.append) as org:
        await org.rest.call("GET", "limits")
        with pytest.raises(CallFailed, match=r"^Salesforce: REQUEST_LIMIT_EXCEEDED$"):
            await org.rest.call("GET", "limits")
        assert heard == [Allocation(17, 15000, NOW), Allocation(15001, 15000, NOW)]
        assert org.rest.allocation == heard[-1]
        assert heard[-1].left == 0


async def test_a_query_is_paged_as_its_rows_are_asked_for(scripted: ScriptedSalesforce, org: Salesforce) -> None:
    """The next page is fetched when the rows before it are used up, at the address Salesforce gave."""
    following = "/services/data/v62.0/query/01g5g00000Curs1AAB-2"
    first = {"done": False, "nextRecordsUrl": following, "records": [{"attributes": {}, "Id": "a"}, {"Id": "b"}]}
    scripted.answers.extend([Answer(json=first), Answer(json={"done": True, "records": [{"Id": "c"}]})])
    rows = org.rest.query("SELECT Id FROM Contact WHERE Email = 'a+b@x.io'")
    assert [await anext(rows), await anext(rows)] == [{"Id": "a"}, {"Id": "b"}]
    assert len(scripted.seen) == 1
    assert [row async for row in rows] == [{"Id": "c"}]
    assert scripted.seen[0].query == {"q": "SELECT Id FROM Contact WHERE Email = 'a+b@x.io'"}
    assert scripted.seen[1].path == following
    assert all(seen.headers["Sforce-Call-Options"] == "client=Tandem" for seen in scripted.seen)


@pytest.mark.parametrize("following", ["@evil.example/services/data/", "https://evil.example/", "", None, 3])
async def test_a_query_never_ends_early_nor_goes_elsewhere(
    scripted: ScriptedSalesforce, org: Salesforce, following: object
) -> None:
    """More rows are there but no usable address of them: that is a failure, not the end; the token stays at home."""
    scripted.answers.append(Answer(json={"done": False, "nextRecordsUrl": following, "records": [{"Id": "a"}]}))
    with pytest.raises(CallFailed, match="UNEXPECTED_REPLY"):
        [row async for row in org.rest.query("SELECT Id FROM Contact")]
    assert len(scripted.seen) == 1


async def test_describe_of_an_unknown_object_is_nothing(scripted: ScriptedSalesforce, org: Salesforce) -> None:
    """A missing object is an answer, any other failure is not."""
    scripted.answers.extend(
        [Answer(json={"name": "Contact"}), errors(404, "NOT_FOUND"), errors(403, "API_DISABLED_FOR_ORG")]
    )
    assert await org.rest.describe("Contact") == {"name": "Contact"}
    assert await org.rest.describe("Nothing__c") is None
    with pytest.raises(CallFailed, match="API_DISABLED_FOR_ORG"):
        await org.rest.describe("Contact")


async def test_every_call_is_told_by_resource_status_and_time(scripted: ScriptedSalesforce) -> None:
    """A page of a query is a query; what was never answered says so; no id or value is in the word."""
    told: list[tuple[str, str]] = []
    scripted.otherwise = lambda _: Answer(json={})
    async with open_salesforce(
        scripted.settings(), now=lambda: NOW, on_call=lambda resource, status, seconds: told.append((resource, status))
    ) as org:
        await org.rest.call("PATCH", "composite/sobjects", json={})
        await org.rest.call("GET", "/services/data/v62.0/query/01g5g00000A-2000")
        await org.rest.call("GET", "/services/data/")
        await org.rest.call("GET", "/services/data/v62.0/ada@example.org")
    assert told == [("composite", "200"), ("query", "200"), ("versions", "200"), ("other", "200")]


class Shut:
    """A gate that lets nobody through once it has been told that the limit is exceeded."""

    def __init__(self) -> None:
        self.shut = False
        self.under_way = 0

    def refusal(self) -> str | None:
        return "limit_exceeded" if self.shut else None

    @contextlib.asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        self.under_way += 1
        yield
        self.under_way -= 1

    def exceeded(self) -> None:
        self.shut = True


async def test_a_call_that_the_gate_refuses_is_not_made(scripted: ScriptedSalesforce) -> None:
    """Salesforce's own refusal shuts it; the call after that certainly did not run, and no row is to blame."""
    gate = Shut()
    async with open_salesforce(scripted.settings(), now=lambda: NOW, gate=gate) as org:
        scripted.answers += [
            Answer(json={}),
            errors(400, "MALFORMED_QUERY"),
            errors(403, "REQUEST_LIMIT_EXCEEDED"),
        ]
        await org.rest.call("GET", "limits")
        for code in ("MALFORMED_QUERY", "REQUEST_LIMIT_EXCEEDED", "BUDGET:limit_exceeded"):
            with pytest.raises(CallFailed) as failed:
                await org.rest.call("GET", "limits")
            assert failed.value.fault.code == code
        assert failed.value.fault.failure is Failure.NOT_RUN
        assert failed.value.fault.org_wide
    assert len(scripted.seen) == 3
    assert gate.under_way == 0
