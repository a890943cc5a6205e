"""What no document of Salesforce's says for sure, asked of an org that answers.

Each is marked as unverified in `simulator/org/README.md`, which had to choose one way; `section` is where Salesforce's
protocol reference of this project speaks of it. An answer is what came, in a few words: codes, names of headers, and
Salesforce's own words about records that were made for the question.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import orjson

from schemas.session import Session
from support.marked_records import EXTERNAL_ID

NEVER_WAS: Final = "003000000000Zz9AAE"
TOKEN_PATH: Final = "/services/oauth2/token"
FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None

    def told(self) -> str:
        """Status, code and message of an error; of anything else the status and the sort of body."""
        parsed = self.json
        first = parsed[0] if isinstance(parsed, list) and parsed else parsed
        if isinstance(first, dict):
            code = first.get("errorCode") or first.get("error")
            if code:
                words = str(first.get("message") or first.get("error_description") or "")
                return f"{self.status} {code}: {' '.join(words.split())[:90] or 'no message'}"
            if first.get("success") is False and first.get("errors"):
                return f"{self.status} row {first['errors'][0].get('statusCode')}"
            return f"{self.status} with {', '.join(sorted(map(str, first))[:8])}"
        if isinstance(first, str):
            return f"{self.status} list of texts, the first {first[:60]}"
        kind = self.headers.get("Content-Type", "no content type").partition(";")[0]
        return f"{self.status} {kind}, {len(self.body)} bytes"


@dataclass
class Asker:
    """A logged-in client that tells every answer as it came. `mark` begins the external id of all it makes."""

    http: aiohttp.ClientSession
    session: Session
    version: str
    mark: str
    client_id: str
    client_secret: str = field(repr=False)
    listen: Callable[[Callable[[], Awaitable[list[str]]]], Awaitable[dict[str, dict[str, Any]]]]
    """Runs a few writes while it listens: by record id the payload of the last event that came of it."""
    shared_login: str = ""
    """https://login.salesforce.com or the sandboxes' own; empty where there is none."""
    made: list[str] = field(default_factory=list)

    async def call(
        self,
        verb: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
    ) -> Answer:
        """`path` is below the version, or absolute; `body` is sent as JSON unless it is bytes."""
        url = path if path.startswith(("/services", "/id")) else f"/services/data/v{self.version}{path}"
        sent = {"Content-Type": "application/json"} if body is not None else {}
        bearer = self.session.access_token if token is None else token
        if bearer:
            sent["Authorization"] = f"Bearer {bearer}"
        data = body if isinstance(body, bytes) or body is None else orjson.dumps(body)
        async with self.http.request(
            verb, self.session.instance_url + url, data=data, headers=sent | dict(headers or {}), allow_redirects=False
        ) as reply:
            return Answer(reply.status, reply.headers, await reply.read())

    async def query(self, soql: str, **options: Any) -> Answer:
        async with self.http.get(
            f"{self.session.instance_url}/services/data/v{self.version}/query",
            params={"q": soql},
            headers={"Authorization": f"Bearer {self.session.access_token}", **options},
        ) as reply:
            return Answer(reply.status, reply.headers, await reply.read())

    async def new(self, name: str, **values: Any) -> str:
        """A Contact of this run; its id."""
        row = {"LastName": "Test", **values, EXTERNAL_ID: f"{self.mark}{name}"}
        answer = await self.call("POST", "/sobjects/Contact", row)
        assert answer.status == 201, answer.told()
        self.made.append(answer.json["id"])
        return str(answer.json["id"])

    async def rows(self, verb: str, path: str, records: list[dict[str, Any]]) -> Answer:
        """A Collections call for Contacts."""
        rows = [{"attributes": {"type": "Contact"}, **record} for record in records]
        return await self.call(verb, f"/composite/sobjects{path}", {"allOrNone": False, "records": rows})

    async def form(self, path: str, **fields: str) -> Answer:
        """A form, without a token."""
        async with self.http.post(self.session.instance_url + path, data=fields) as reply:
            return Answer(reply.status, reply.headers, await reply.read())


@dataclass(frozen=True, slots=True)
class Fact:
    """One question. `section` is the reference's, `how` what is asked."""

    section: str
    fact: str
    how: str
    ask: Callable[[Asker], Awaitable[str]]


FACTS: Final[list[Fact]] = []


def asked(
    section: str, fact: str, how: str
) -> Callable[[Callable[[Asker], Awaitable[str]]], Callable[[Asker], Awaitable[str]]]:
    """Puts a question into FACTS."""

    def put(ask: Callable[[Asker], Awaitable[str]]) -> Callable[[Asker], Awaitable[str]]:
        FACTS.append(Fact(section, fact, how, ask))
        return ask

    return put


def codes(answer: Answer) -> str:
    """The code of each row of a Collections answer."""
    if not isinstance(answer.json, list) or answer.status != 200:
        return answer.told()
    each = [row["errors"][0]["statusCode"] if row.get("errors") else "success" for row in answer.json]
    return f"200 {', '.join(each)}"


@asked("9.A", "unknown consumer key", "token request, client credentials")
async def _unknown_key(asker: Asker) -> str:
    secret = {"client_id": "3MVGunknown", "client_secret": "x"}
    return (await asker.form(TOKEN_PATH, grant_type="client_credentials", **secret)).told()


@asked("9.2", "wrong secret: 400 or 401", "token request, client credentials, by form")
async def _wrong_secret(asker: Asker) -> str:
    secret = {"client_id": asker.client_id, "client_secret": "wrong"}
    return (await asker.form(TOKEN_PATH, grant_type="client_credentials", **secret)).told()


@asked("9.A", "unknown grant type", "token request")
async def _unknown_grant(asker: Asker) -> str:
    return (await asker.form(TOKEN_PATH, grant_type="no_such_grant", client_id=asker.client_id)).told()


@asked("9.A", "revoking a token that never was", "POST revoke")
async def _revoke(asker: Asker) -> str:
    return (await asker.form("/services/oauth2/revoke", token="never-was")).told()


@asked("9.2", "header WWW-Authenticate on a 401", "GET limits with a bad token")
async def _www(asker: Asker) -> str:
    answer = await asker.call("GET", "/limits", token="00D000000000000!bad")
    return f"{answer.told()}; WWW-Authenticate: {answer.headers.get('WWW-Authenticate', 'none')}"


@asked("9.2", "identity address with a bad token", "GET /id/…")
async def _identity(asker: Asker) -> str:
    answer = await asker.call("GET", "/id/00D000000000000AAA/005000000000000AAA", token="bad")
    return f"{answer.status} {answer.body[:40].decode(errors='replace')!r}"


@asked("9.C", "members of userinfo", "GET userinfo")
async def _userinfo(asker: Asker) -> str:
    parsed = (await asker.call("GET", "/services/oauth2/userinfo")).json
    return ", ".join(sorted(parsed)) if isinstance(parsed, dict) else "no object"


@asked("9.B", "a body that is no JSON", "POST Contact")
async def _no_json(asker: Asker) -> str:
    return (await asker.call("POST", "/sobjects/Contact", b'{"LastName": ')).told()


@asked("9.B", "a value of a wrong JSON type", "POST Contact, LastName an object")
async def _wrong_type(asker: Asker) -> str:
    return (await asker.call("POST", "/sobjects/Contact", {"LastName": {"a": 1}})).told()


@asked("9.B", "a method that is not allowed", "PUT Contact")
async def _method(asker: Asker) -> str:
    return (await asker.call("PUT", "/sobjects/Contact", {"LastName": "x"})).told()


@asked("9.2", "a body of another type", "POST Contact as text/plain")
async def _media(asker: Asker) -> str:
    return (await asker.call("POST", "/sobjects/Contact", b"hello", headers={"Content-Type": "text/plain"})).told()


@asked("9.4", "an id that never was, by REST", "PATCH Contact")
async def _never_rest(asker: Asker) -> str:
    return (await asker.call("PATCH", f"/sobjects/Contact/{NEVER_WAS}", {"LastName": "x"})).told()


@asked("9.4", "an id that never was, by Collections", "PATCH composite/sobjects")
async def _never_rows(asker: Asker) -> str:
    return codes(await asker.rows("PATCH", "", [{"id": NEVER_WAS, "LastName": "x"}]))


@asked("9.B", "a record in the recycle bin", "PATCH by REST and by Collections")
async def _deleted(asker: Asker) -> str:
    record = await asker.new("deleted")
    await asker.call("DELETE", f"/sobjects/Contact/{record}")
    rest = await asker.call("PATCH", f"/sobjects/Contact/{record}", {"LastName": "x"})
    return f"{rest.told()}; {codes(await asker.rows('PATCH', '', [{'id': record, 'LastName': 'x'}]))}"


@asked("2.6", "the external id in the address and the body", "PATCH by external id")
async def _twice_told(asker: Asker) -> str:
    key = f"{asker.mark}both"
    return (
        await asker.call("PATCH", f"/sobjects/Contact/{EXTERNAL_ID}/{key}", {EXTERNAL_ID: key, "LastName": "x"})
    ).told()


@asked("9.10", "one row with an unknown field: does it fail the call", "POST composite/sobjects, two rows")
async def _unknown_field(asker: Asker) -> str:
    good = {"LastName": "Test", EXTERNAL_ID: f"{asker.mark}unknown-field"}
    return codes(await asker.rows("POST", "", [{"LastName": "x", "No_Such__c": 1}, good]))


@asked("9.10", "one record twice in an update", "PATCH composite/sobjects")
async def _same_twice(asker: Asker) -> str:
    record = await asker.new("same-twice")
    return codes(await asker.rows("PATCH", "", [{"id": record, "Title": each} for each in "ab"]))


@asked("9.10", "one external id twice in an upsert", "PATCH composite/sobjects/Contact/…")
async def _key_twice(asker: Asker) -> str:
    row = {EXTERNAL_ID: f"{asker.mark}key-twice", "LastName": "Test"}
    return codes(await asker.rows("PATCH", f"/Contact/{EXTERNAL_ID}", [row, row]))


@asked("2.12", "the record that DUPLICATE_VALUE names: 15 or 18 characters, fields", "PATCH composite/sobjects")
async def _duplicate(asker: Asker) -> str:
    first, second = await asker.new("taken"), await asker.new("other")
    answer = await asker.rows("PATCH", "", [{"id": second, EXTERNAL_ID: f"{asker.mark}taken"}])
    if not isinstance(answer.json, list) or not answer.json[0].get("errors"):
        return answer.told()
    error = answer.json[0]["errors"][0]
    length = 18 if first in error["message"] else 15 if first[:15] in error["message"] else 0
    return f"{error['statusCode']}, {length} characters, fields {error.get('fields')}"


@asked("9.9", "headers Last-Modified and ETag of a row", "GET Contact")
async def _row_headers(asker: Asker) -> str:
    answer = await asker.call("GET", f"/sobjects/Contact/{await asker.new('headers')}")
    return f"Last-Modified {answer.headers.get('Last-Modified', 'none')}, ETag {answer.headers.get('ETag', 'none')}"


@asked("2.11", "milliseconds of SystemModstamp", "GET Contact")
async def _milliseconds(asker: Asker) -> str:
    row = (await asker.call("GET", f"/sobjects/Contact/{await asker.new('modstamp')}?fields=SystemModstamp")).json
    return str(row["SystemModstamp"])[-13:]


@asked("simulator", "white space around a text", "POST and GET Contact")
async def _white_space(asker: Asker) -> str:
    record = await asker.new("white", Title="  x  ")
    return repr((await asker.call("GET", f"/sobjects/Contact/{record}?fields=Title")).json["Title"])


@asked("simulator", "a number with more digits than its field", "POST and GET Contact, Total_Tickets__c 2.5")
async def _rounding(asker: Asker) -> str:
    record = await asker.new("rounded", Total_Tickets__c=2.5)
    return repr(
        (await asker.call("GET", f"/sobjects/Contact/{record}?fields=Total_Tickets__c")).json["Total_Tickets__c"]
    )


@asked("9.C", "relationship that is null", "GET Contact/…/Account")
async def _null_parent(asker: Asker) -> str:
    return (await asker.call("GET", f"/sobjects/Contact/{await asker.new('orphan')}/Account")).told()


@asked("9.C", "fractions of a second in SOQL", "query")
async def _fractions(asker: Asker) -> str:
    soql = "SELECT Id FROM Contact WHERE SystemModstamp > 2030-01-01T00:00:00.123Z"
    return (await asker.query(soql)).told()


@asked("9.C", "AND and OR without parentheses", "query")
async def _and_or(asker: Asker) -> str:
    soql = "SELECT Id FROM Contact WHERE LastName = 'a' AND Title = 'b' OR Title = 'c' LIMIT 1"
    return (await asker.query(soql)).told()


@asked("9.C", "FIELDS(ALL)", "query, LIMIT 1")
async def _fields_all(asker: Asker) -> str:
    return (await asker.query("SELECT FIELDS(ALL) FROM Contact LIMIT 1")).told()


@asked("9.C", "WITH USER_MODE", "query")
async def _user_mode(asker: Asker) -> str:
    return (await asker.query("SELECT Id FROM Contact WITH USER_MODE LIMIT 1")).told()


@asked("9.C", "a subquery without rows", "query")
async def _subquery(asker: Asker) -> str:
    record = await asker.new("childless")
    answer = await asker.query(f"SELECT Id, (SELECT Id FROM Cases) FROM Contact WHERE Id = '{record}'")
    records = answer.json.get("records") if isinstance(answer.json, dict) else None
    return f"200 Cases: {records[0].get('Cases')}" if records else answer.told()


@asked("9.11", "locator of a next page", "query, pages of 200")
async def _locator(asker: Asker) -> str:
    await _many(asker)
    answer = await asker.query(
        f"SELECT Id FROM Contact WHERE {EXTERNAL_ID} LIKE '{asker.mark}many%'",
        **{"Sforce-Query-Options": "batchSize=200"},
    )
    name = str(answer.json.get("nextRecordsUrl", "none") if isinstance(answer.json, dict) else "").rpartition("/")[2]
    return f"begins {name[:3]}, {len(name)} characters, ends {name[18:]}" if name else answer.told()


async def _many(asker: Asker) -> None:
    for start in (0, 200):
        rows = [
            {"LastName": "Test", EXTERNAL_ID: f"{asker.mark}many-{number}"}
            for number in range(start, min(start + 200, 201))
        ]
        answer = await asker.rows("PATCH", f"/Contact/{EXTERNAL_ID}", rows)
        assert answer.status == 200, answer.told()


@asked("9.B", "second upload to a Bulk job", "jobs/ingest: PUT twice, then UploadComplete and PUT")
async def _bulk(asker: Asker) -> str:
    job = await asker.call(
        "POST", "/jobs/ingest", {"object": "Contact", "operation": "insert", "contentType": "CSV", "lineEnding": "LF"}
    )
    if not isinstance(job.json, dict) or "id" not in job.json:
        return job.told()
    path, csv = f"/jobs/ingest/{job.json['id']}", {"Content-Type": "text/csv"}
    data = f"LastName,{EXTERNAL_ID}\nTest,{asker.mark}bulk\n".encode()
    uploads = [await asker.call("PUT", f"{path}/batches", data, headers=csv) for _each in range(2)]
    aborted = await asker.call("PATCH", path, {"state": "Aborted"})
    late = await asker.call("PUT", f"{path}/batches", data, headers=csv)
    await asker.call("DELETE", path)
    told = [job.status, *(upload.told() for upload in uploads), aborted.status, late.told()]
    return " / ".join(map(str, told))


@asked("2.1", "a version that was retired", "GET /services/data/v20.0/limits")
async def _retired(asker: Asker) -> str:
    return (await asker.call("GET", "/services/data/v20.0/limits")).told()


@asked("2.3", "an address of more than 16,384 bytes", "query")
async def _long_address(asker: Asker) -> str:
    return (await asker.query("SELECT Id FROM Contact WHERE LastName = '" + "x" * 17_000 + "'")).told()


@asked("9.12", "key prefixes", "describe global")
async def _prefixes(asker: Asker) -> str:
    wanted = ("Contact", "Lead", "Account", "Opportunity", "Campaign", "CampaignMember")
    listed = (await asker.call("GET", "/sobjects")).json["sobjects"]
    found = {each["name"]: each["keyPrefix"] for each in listed}
    return ", ".join(f"{name} {found.get(name, 'not there')}" for name in wanted)


@asked("9.C", "members of a described field beyond the documented", "describe Contact")
async def _members(asker: Asker) -> str:
    members = set((await asker.call("GET", "/sobjects/Contact/describe")).json["fields"][0])
    doubtful = ("aiPredictionField", "formulaTreatNullNumberAsZero", "highScaleNumber", "searchPrefilterable")
    return ", ".join(f"{name} {'there' if name in members else 'not there'}" for name in doubtful)


@asked("6.9", "SelectedEntity of a channel member: name or id", "Tooling query")
async def _selected(asker: Asker) -> str:
    query = "/tooling/query?q=SELECT+EventChannel,SelectedEntity+FROM+PlatformEventChannelMember"
    answer = await asker.call("GET", query)
    records = answer.json.get("records") if isinstance(answer.json, dict) else None
    return (
        ", ".join(f"{row['EventChannel']} {row['SelectedEntity']}" for row in records[:3]) if records else answer.told()
    )


@asked(
    "9.8", "the client mark in changeOrigin: single row, Collections, composite", "writes with the mark, change events"
)
async def _origins(asker: Asker) -> str:
    mark = {"Sforce-Call-Options": "client=TandemTest"}
    single, rows, composite = [await asker.new(f"origin-{number}") for number in range(3)]

    async def write() -> list[str]:
        await asker.call("PATCH", f"/sobjects/Contact/{single}", {"Title": "a"}, headers=mark)
        row = {"attributes": {"type": "Contact"}, "id": rows, "Title": "a"}
        await asker.call("PATCH", "/composite/sobjects", {"allOrNone": False, "records": [row]}, headers=mark)
        part = {
            "method": "PATCH",
            "url": f"/services/data/v{asker.version}/sobjects/Contact/{composite}",
            "referenceId": "part",
            "body": {"Title": "a"},
        }
        answer = await asker.call("POST", "/composite", {"compositeRequest": [part]}, headers=mark)
        return [single, rows] if answer.status == 404 else [single, rows, composite]

    heard = await asker.listen(write)
    told = {record: payload["ChangeEventHeader"]["changeOrigin"] for record, payload in heard.items()}
    names = {"single": single, "Collections": rows, "composite": composite}
    return "; ".join(f"{name}: {told.get(record, 'no event')}" for name, record in names.items())


@asked("9.5", "an update's event over CometD: header, a date, LastModifiedDate", "PATCH Contact, change event")
async def _event(asker: Asker) -> str:
    record = await asker.new("event")

    async def write() -> list[str]:
        await asker.call("PATCH", f"/sobjects/Contact/{record}", {"Birthdate": "1990-02-01"})
        return [record]

    payload = (await asker.listen(write)).get(record)
    if payload is None:
        return "no event"
    header = payload["ChangeEventHeader"]
    shown = {name: payload.get(name) for name in ("Birthdate", "LastModifiedDate")}
    return f"{', '.join(sorted(header))}; changedFields {header.get('changedFields')}; {shown}"


@asked("9.C, 9.13", "CometD: cookies, the first connect, a channel that is not there", "handshake, connect, subscribe")
async def _bayeux(asker: Asker) -> str:
    path = f"{asker.session.instance_url}/cometd/{asker.version}"
    headers = {"Authorization": f"Bearer {asker.session.access_token}"}
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(headers=headers, cookie_jar=jar) as http:

        async def send(channel: str, number: str, **members: Any) -> tuple[dict[str, Any], list[str]]:
            async with http.post(path, json=[{"channel": channel, "id": number, **members}]) as reply:
                told = [each for each in await reply.json() if each["channel"] == channel]
                return told[0], sorted(reply.cookies)

        hello = {"version": "1.0", "supportedConnectionTypes": ["long-polling"], "ext": {"replay": True}}
        shaken, cookies = await send("/meta/handshake", "1", **hello)
        client = {"clientId": shaken.get("clientId")}
        began = asyncio.get_running_loop().time()
        await send("/meta/connect", "2", connectionType="long-polling", **client)
        waited = asyncio.get_running_loop().time() - began
        nowhere = "/data/NoSuchThing__ChangeEvent"
        refused, _ = await send("/meta/subscribe", "3", subscription=nowhere, ext={"replay": {nowhere: -1}}, **client)
        here = "/data/ContactChangeEvent"
        taken, _ = await send("/meta/subscribe", "4", subscription=here, ext={"replay": {here: -1}}, **client)
        await send("/meta/disconnect", "5", **client)
    first = "at once" if waited < 5 else f"after {waited:.0f} s"
    return (
        f"cookies {', '.join(cookies) or 'none'}; ext {sorted(shaken.get('ext', {}))}; first connect {first}; "
        f"{refused.get('error')}; advice {refused.get('advice')}; "
        f"a subscription that is taken: {taken.get('successful')}, ext {taken.get('ext')}"
    )


@asked("9.10", "DUPLICATES_DETECTED: how its key is spelt, and what a match holds", "POST the same Contact twice")
async def _duplicate_rule(asker: Asker) -> str:
    person = {"FirstName": "Tandem", "LastName": f"Test {asker.mark}", "Email": "tandem-test@example.com"}
    await asker.new("first", **person)
    answer = await asker.call("POST", "/sobjects/Contact", {**person, EXTERNAL_ID: f"{asker.mark}second"})
    error = answer.json[0] if isinstance(answer.json, list) else {}
    key = next((name for name in error if name.startswith("duplicateRes")), "")
    if not key:
        return "no duplicate rule is at work" if answer.status == 201 else answer.told()
    matches = error[key].get("matchResults") or [{}]
    return f"{key}: {', '.join(sorted(error[key]))}; matchResults: {', '.join(sorted(matches[0]))}"


@asked("9.1", "how long a token lives", "introspection of our own")
async def _life(asker: Asker) -> str:
    secret = {"client_id": asker.client_id, "client_secret": asker.client_secret}
    answer = await asker.form("/services/oauth2/introspect", token=asker.session.access_token, **secret)
    told = answer.json if isinstance(answer.json, dict) else {}
    return f"{told['exp'] - told['iat']} seconds from its issue" if "exp" in told and "iat" in told else answer.told()


@asked("9.A", "a JWT that is none", "token request, JWT bearer")
async def _assertion(asker: Asker) -> str:
    grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    return (await asker.form(TOKEN_PATH, grant_type=grant, assertion="x")).told()


@asked("9.2", "client credentials at the shared login host", "token request")
async def _shared_host(asker: Asker) -> str:
    if not asker.shared_login:
        return "not asked: there is one host"
    secret = {"client_id": asker.client_id, "client_secret": asker.client_secret}
    fields = {"grant_type": "client_credentials", **secret}
    async with asker.http.post(asker.shared_login + TOKEN_PATH, data=fields) as reply:
        return Answer(reply.status, reply.headers, await reply.read()).told()


@asked("9.C", "revoking by GET", "GET revoke with a token that never was")
async def _revoke_by_get(asker: Asker) -> str:
    return (await asker.call("GET", "/services/oauth2/revoke?token=never-was", token="")).told()


@asked("9.C", "HTTP status of a SOAP fault", "SOAP login of nobody")
async def _soap(asker: Asker) -> str:
    login = "<p:login><p:username>nobody@tandem.invalid</p:username><p:password>x</p:password></p:login>"
    names = 'xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" xmlns:p="urn:partner.soap.sforce.com"'
    body = f"<e:Envelope {names}><e:Body>{login}</e:Body></e:Envelope>".encode()
    headers = {"Content-Type": "text/xml; charset=UTF-8", "SOAPAction": "login"}
    return (await asker.call("POST", f"/services/Soap/u/{asker.version}", body, headers=headers, token="")).told()


@asked("9.C", "types of the fields of Contact", "describe Contact")
async def _types(asker: Asker) -> str:
    fields = (await asker.call("GET", "/sobjects/Contact/describe")).json["fields"]
    return ", ".join(sorted({each["type"] for each in fields}))


@asked("9.C", "a Bulk query's CSV: quotes, headers", "jobs/query, results")
async def _bulk_query(asker: Asker) -> str:
    query = f"SELECT Id, Title FROM Contact WHERE {EXTERNAL_ID} LIKE '{asker.mark}%'"
    job = await asker.call("POST", "/jobs/query", {"operation": "query", "query": query})
    if not isinstance(job.json, dict) or "id" not in job.json:
        return job.told()
    path = f"/jobs/query/{job.json['id']}"
    state = ""
    while state not in ("JobComplete", "Failed", "Aborted"):  # `ask_all` has a limit
        state = (await asker.call("GET", path)).json["state"]
        await asyncio.sleep(0.5)
    results = await asker.call("GET", f"{path}/results?maxRecords=1", headers={"Accept": "text/csv"})
    await asker.call("DELETE", path)
    first = results.body.splitlines()[0].decode() if results.body else ""
    return f"{job.status} {state}; {first}; Sforce-Locator {results.headers.get('Sforce-Locator')}"


def _refusal(section: str, code: str, how: str, ask: Callable[[Asker], Awaitable[Answer]]) -> None:
    """A question about the status and the words that go with a code."""

    async def told(asker: Asker) -> str:
        return (await ask(asker)).told()

    FACTS.append(Fact(section, f"status and words of {code}", how, told))


def _soql(query: str) -> Callable[[Asker], Awaitable[Answer]]:
    return lambda asker: asker.query(query)


def _contact(**values: Any) -> Callable[[Asker], Awaitable[Answer]]:
    async def ask(asker: Asker) -> Answer:
        # Marked, lest a lenient org takes it.
        key = f"{asker.mark}refused-{'-'.join(values)}-{len(FACTS)}"
        return await asker.call("POST", "/sobjects/Contact", {"LastName": "Test", EXTERNAL_ID: key, **values})

    return ask


_refusal("9.B", "INVALID_FIELD of a query", "query", _soql("SELECT No_Such__c FROM Contact"))
_refusal("9.B", "MALFORMED_QUERY", "query", _soql("SELECT FROM"))
_refusal("9.B", "INVALID_TYPE", "query", _soql("SELECT Id FROM No_Such__c"))
_refusal("9.B", "NUMBER_OUTSIDE_VALID_RANGE", "query, OFFSET 2001", _soql("SELECT Id FROM Contact LIMIT 1 OFFSET 2001"))
_refusal("9.B", "INVALID_FIELD of a row", "POST Contact", _contact(No_Such__c=1))
_refusal("9.B", "STRING_TOO_LONG", "POST Contact, Title", _contact(Title="x" * 200))
_refusal("9.B", "FIELD_INTEGRITY_EXCEPTION", "POST Contact, AccountId a Contact's", _contact(AccountId=NEVER_WAS))
_refusal("9.B", "MALFORMED_ID", "POST Contact, AccountId", _contact(AccountId="nonsense"))
_refusal(
    "9.B", "INVALID_QUERY_LOCATOR", "GET query/…", lambda asker: asker.call("GET", "/query/01g000000000000AAA-2000")
)


async def ask_all(asker: Asker) -> list[tuple[Fact, str]]:
    """Every fact with its answer, in order; what went wrong is an answer too, and named."""
    told = []
    for fact in FACTS:
        try:
            answer = await asyncio.wait_for(fact.ask(asker), 120)
        except (aiohttp.ClientError, AssertionError, KeyError, TypeError, TimeoutError) as error:
            answer = f"could not be asked: {type(error).__name__}: {str(error)[:80]}"
        told.append((fact, answer))
    return told
