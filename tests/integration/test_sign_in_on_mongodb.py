"""Signing in with connections kept in the real MongoDB: the same suite, two real processes, sealed tokens, commands."""

import asyncio
import base64
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import unused_port
from pymongo.asynchronous.database import AsyncDatabase
from support.browser import PASSWORD, USERNAME, Browser
from support.sign_in_behaviour import STORED, WAYS, Entry, SignInBehaviour, entry_by, works

from adapters.encryption.keyring import Keyring, key_of
from adapters.mongo.connection_notes import ConnectionNotes, SignedIn
from adapters.mongo.connections import CONNECTIONS, SEALED, MongoConnections, reseal, sealed_connections
from adapters.mongo.leases import MongoLeases
from ops import check
from ops.keys_command import rotate
from schemas.connection import CannotOpen
from schemas.session import LoginFailed

pytestmark = pytest.mark.integration

Database = AsyncDatabase[dict[str, Any]]
OLD, NEW = os.urandom(32), os.urandom(32)


def as_setting(**keys: bytes) -> str:
    """As ENCRYPTION_KEYS has them."""
    return ",".join(f"{key_id}:{base64.b64encode(key).decode()}" for key_id, key in keys.items())


def kept_in(database: Database, **keys: bytes) -> MongoConnections:
    return MongoConnections(database, Keyring(keys or {"old": OLD}))


class TestSignInOnMongoDB(SignInBehaviour):
    """The promises, with stored connections where they really are."""

    @pytest.fixture(params=WAYS)
    async def entry(self, request: pytest.FixtureRequest, tmp_path: Path, database: Database) -> AsyncIterator[Entry]:
        async with entry_by(request.param, tmp_path, kept_in(database), MongoLeases(database)) as entry:
            yield entry


@pytest.fixture
async def rotating(tmp_path: Path, database: Database) -> AsyncIterator[Entry]:
    """A stored connection whose refresh tokens rotate."""
    way = "web_server_rotating"
    assert way in STORED
    async with entry_by(way, tmp_path, kept_in(database), MongoLeases(database)) as entry:
        yield entry


@asynccontextmanager
async def child(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process of its own, ended with the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "COLUMNS": "100"},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def told_by(process: asyncio.subprocess.Process) -> str:
    """Its next line."""
    assert process.stdout is not None
    async with asyncio.timeout(30):
        line = await process.stdout.readline()
    return line.decode().strip()


async def test_two_real_processes_refresh_once(rotating: Entry, database: Database, mongodb_uri: str) -> None:
    """Refused in the same moment, round after round: one refresh each time, one token for both (failure case 24)."""
    app = rotating.org.org
    arguments = (mongodb_uri, database.name, as_setting(old=OLD), app.base_url, app.client_id, app.client_secret)
    async with AsyncExitStack() as opened:
        both = [await opened.enter_async_context(child("-m", "support.refresh_child", *arguments)) for _ in range(2)]
        tokens: set[str] = set()
        for number in range(5):
            given = rotating.tokens_given()
            for process in both:
                assert process.stdin is not None
                process.stdin.write(b"go\n")
            shown = await asyncio.gather(*(told_by(process) for process in both))
            assert len(set(shown)) == 1
            assert shown[0].startswith("00D")
            assert given() == (1 if number else 0)
            tokens.update(shown)
            await rotating.org.admin("POST", "/tokens/revoke")
        assert len(tokens) == 5


async def test_without_the_lease_two_processes_end_the_connection(rotating: Entry) -> None:
    """What the lease is for: one that everybody gets, and the org revokes everything within a few rounds."""
    leases = rotating.leases

    class Everybodys:
        async def acquire(self, name: str, owner: str, seconds: float) -> Any:
            return await leases.acquire(f"{name}:{owner}", owner, seconds)

        async def release(self, lease: Any) -> None:
            await leases.release(lease)

    rotating.leases = Everybodys()
    processes = [await rotating.process() for _ in range(4)]
    ended = False
    for _round in range(10):
        await rotating.fault(kind="delay", delay_ms=50, count=4)
        results = await asyncio.gather(*(works(process) for process in processes), return_exceptions=True)
        ended = ended or any(isinstance(result, Exception) for result in results)
        await rotating.org.admin("POST", "/tokens/revoke")
    assert ended


async def test_a_copied_database_without_the_key_opens_nothing(rotating: Entry, database: Database) -> None:
    """No token stands there in any readable form; without the key, or with another of its id, there is no login."""
    process = await rotating.process()
    session = await process.login.current()
    name = rotating.settings.client_id
    stored = await kept_in(database).read(name)
    assert stored is not None
    assert stored.access_token == session.access_token
    raw = str([row async for row in database[CONNECTIONS].find({})])
    for secret in (stored.access_token, stored.refresh_token, rotating.org.org.client_secret):
        assert secret not in raw
        assert base64.b64encode(secret.encode()).decode()[:24] not in raw
    for keys in ({"other": OLD}, {"old": NEW}):
        with pytest.raises(CannotOpen) as closed:
            await kept_in(database, **keys).read(name)
        assert "old" in str(closed.value)
        rotating.kept = kept_in(database, **keys)
        with pytest.raises(LoginFailed) as failed:
            await (await rotating.process()).login.current()
        assert (failed.value.code, failed.value.terminal) == ("key_missing", True)


async def test_a_sealed_token_opens_in_its_own_place_only(rotating: Entry, database: Database) -> None:
    """Somebody who can write to the database cannot put one token where another belongs."""
    row = await database[CONNECTIONS].find_one({})
    assert row is not None
    await database[CONNECTIONS].update_one({"_id": row["_id"]}, {"$set": {"access_token": row["refresh_token"]}})
    with pytest.raises(CannotOpen, match="access_token: the key old does not open it"):
        await kept_in(database).read(row["_id"])
    await database[CONNECTIONS].insert_one(row | {"_id": "another"})
    with pytest.raises(CannotOpen):
        await kept_in(database).read("another")


async def test_keys_are_rotated_beside_running_processes(rotating: Entry, database: Database) -> None:
    """Everything is sealed with the newest key, nobody signs in anew, and the old key can go."""
    process = await rotating.process()
    assert await works(process)
    both = Keyring({"new": NEW, "old": OLD})
    done = await rotate(database, both)
    assert (done.sealed_anew, done.already, done.unopened) == (1, 0, ())
    row = await database[CONNECTIONS].find_one({})
    assert row is not None
    assert {key_of(row[field]) for field in SEALED} == {"new"}
    assert (await rotate(database, both)).already == 1
    rotating.kept = kept_in(database, new=NEW)
    await rotating.org.admin("POST", "/tokens/revoke")
    assert await works(await rotating.process())
    lost = await rotate(database, Keyring({"newest": os.urandom(32)}))
    assert (lost.sealed_anew, len(lost.unopened)) == (0, 1)
    assert "which ENCRYPTION_KEYS does not hold" in lost.unopened[0]


async def test_a_refresh_in_the_middle_of_a_rotation_is_not_undone(rotating: Entry, database: Database) -> None:
    """The tokens that were read are not those that are there any more: they are left alone, and read again."""
    both = Keyring({"new": NEW, "old": OLD})
    rotating.kept = kept_in(database, old=OLD, new=NEW)
    process = await rotating.process()
    assert await works(process)
    (stale,) = [stored async for stored in sealed_connections(database)]
    await rotating.org.admin("POST", "/tokens/revoke")
    assert await works(process)
    assert not await reseal(database, stale, both)
    assert (await rotate(database, both)).sealed_anew == 1
    stored = await kept_in(database, new=NEW).read(rotating.settings.client_id)
    assert stored is not None
    assert rotating.org.org.org.refresh_tokens.live(stored.refresh_token) is not None
    await rotating.org.admin("POST", "/tokens/revoke")
    assert await works(process)


@pytest.fixture
def environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mongodb_uri: str, database: Database, rotating: Entry
) -> pytest.MonkeyPatch:
    """As a person sets it for the web-server flow."""
    monkeypatch.chdir(tmp_path)
    app = rotating.org.org
    for name, value in {
        "MONGODB_URI": mongodb_uri,
        "MONGODB_DATABASE": database.name,
        "SALESFORCE_LOGIN_URL": app.base_url,
        "SALESFORCE_CLIENT_ID": app.client_id,
        "SALESFORCE_CLIENT_SECRET": app.client_secret,
        "SALESFORCE_REDIRECT_URI": f"http://localhost:{unused_port()}/callback",
        "ENCRYPTION_KEYS": as_setting(old=OLD),
        "COLUMNS": "250",
    }.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


async def lines_until(process: asyncio.subprocess.Process, start: str) -> str:
    """The first line that begins so."""
    while True:
        line = await told_by(process)
        assert process.returncode is None or line, "it ended without that line"
        if line.startswith(start):
            return line


async def test_connect_waits_for_the_browser(
    environment: pytest.MonkeyPatch, rotating: Entry, database: Database
) -> None:
    """A person opens the address, agrees, and is sent back; a page that sends something else changes nothing."""
    del environment
    callback = os.environ["SALESFORCE_REDIRECT_URI"]
    await rotating.org.admin("POST", "/app", {"callback_urls": [callback]})
    await database[CONNECTIONS].delete_many({})
    browser = Browser(rotating.org.http)
    async with child("-m", "ops", "connect") as process:
        url = await lines_until(process, "http://")
        assert "code_challenge_method=S256" in url
        location = await browser.consent(url)
        assert (await browser.open(f"{callback}?code=stolen&state=guessed"))[0] == 400
        status, page = await browser.open(location)
        assert (status, "close this window" in page) == (200, True)
        assert (await lines_until(process, "connected to")).startswith(
            f"connected to {rotating.org.org.base_url}; org 00D"
        )
        assert await process.wait() == 0
    assert await works(await rotating.process())


@pytest.mark.parametrize(
    ("decision", "line"), [("deny", "Salesforce said no: access_denied"), ("allow", "the address is not the answer")]
)
async def test_connect_takes_a_pasted_address(
    environment: pytest.MonkeyPatch, rotating: Entry, database: Database, decision: str, line: str
) -> None:
    """Where the browser is elsewhere. A no, and the address of another attempt, leave the connection as it is."""
    del environment
    await rotating.org.admin("POST", "/app", {"callback_urls": [os.environ["SALESFORCE_REDIRECT_URI"]]})
    before = await database[CONNECTIONS].find_one({})
    async with child("-m", "ops", "connect", "--paste") as process:
        url = await lines_until(process, "http://")
        if decision == "allow":
            url = url.replace("state=", "state=x")
        location = await Browser(rotating.org.http).consent(url, decision)
        assert process.stdin is not None
        process.stdin.write(f"{location}\n".encode())
        told = (await process.communicate())[0].decode()
        assert line in told
        assert process.returncode == 1
    assert await database[CONNECTIONS].find_one({}) == before


async def test_connect_ends_the_connection_before(
    environment: pytest.MonkeyPatch, rotating: Entry, database: Database
) -> None:
    """A refresh token that nobody uses any more is revoked; running processes go on with the new one."""
    del environment
    await rotating.org.admin("POST", "/app", {"callback_urls": [os.environ["SALESFORCE_REDIRECT_URI"]]})
    process = await rotating.process()
    assert await works(process)
    before = await kept_in(database).read(rotating.settings.client_id)
    assert before is not None
    async with child("-m", "ops", "connect", "--paste") as command:
        location = await Browser(rotating.org.http).consent(await lines_until(command, "http://"))
        assert command.stdin is not None
        command.stdin.write(f"{location}\n".encode())
        told = (await command.communicate())[0].decode()
        assert command.returncode == 0, told
    after = await kept_in(database).read(rotating.settings.client_id)
    assert after is not None
    tokens = rotating.org.org.org.refresh_tokens
    assert tokens.live(before.refresh_token) is None
    assert tokens.live(after.refresh_token) is not None
    assert before.refresh_token not in told
    assert after.refresh_token not in told
    assert await works(process)


async def test_connect_says_why_it_cannot_listen(environment: pytest.MonkeyPatch) -> None:
    """The port is taken: what to do instead is said. Nobody comes: it does not wait for ever."""
    del environment
    port = int(os.environ["SALESFORCE_REDIRECT_URI"].rpartition(":")[2].partition("/")[0])
    async with await asyncio.start_server(lambda _reader, _writer: None, "localhost", port):
        async with child("-m", "ops", "connect") as command:
            told = (await command.communicate())[0].decode()
        assert command.returncode == 1
        assert "cannot listen at http://localhost" in told
        assert "--paste does without" in told
    async with child("-m", "ops", "connect", "--wait", "1") as command:
        told = (await command.communicate())[0].decode()
    assert command.returncode == 1
    assert "nobody has agreed within 1 seconds; nothing was changed" in told


async def test_the_command_that_rotates_keys(environment: pytest.MonkeyPatch, rotating: Entry) -> None:
    """What it did, which keys are still needed, and an exit code for scripts."""
    assert await works(await rotating.process())

    async def rotated() -> tuple[int | None, str]:
        async with child("-m", "ops", "keys", "rotate") as command:
            told = (await command.communicate())[0].decode()
        return command.returncode, told

    environment.setenv("ENCRYPTION_KEYS", as_setting(new=NEW))
    code, told = await rotated()
    assert (code, "keep every key in ENCRYPTION_KEYS" in told) == (1, True)
    environment.setenv("ENCRYPTION_KEYS", as_setting(new=NEW, old=OLD))
    code, told = await rotated()
    assert (code, "no other key than new is needed any more" in told) == (0, True), told
    environment.delenv("ENCRYPTION_KEYS")
    assert (await rotated())[0] == 2


async def test_check_names_keys_that_are_missing(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a line, as any other setting."""
    environment.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9")
    environment.setenv("KAFKA_REQUEST_TIMEOUT", "1")
    environment.delenv("ENCRYPTION_KEYS")
    assert await asyncio.to_thread(check.run) == 1
    assert "ENCRYPTION_KEYS is not set" in capsys.readouterr().out


async def test_connect_is_for_one_flow(environment: pytest.MonkeyPatch) -> None:
    """With another one nobody has to agree."""
    environment.delenv("SALESFORCE_REDIRECT_URI")
    async with child("-m", "ops", "connect") as process:
        told = (await process.communicate())[0].decode()
    assert process.returncode == 1
    assert "the settings tell the flow client_credentials, for which nobody has to agree" in told


async def test_check_signs_in_from_the_store(
    environment: pytest.MonkeyPatch, rotating: Entry, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    """And says what to do where nobody has agreed."""
    environment.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9")
    environment.setenv("KAFKA_REQUEST_TIMEOUT", "1")
    await asyncio.to_thread(check.run)
    assert f"logged in at {rotating.org.org.base_url}" in capsys.readouterr().out
    await database[CONNECTIONS].delete_many({})
    await asyncio.to_thread(check.run)
    assert "run `tandem connect`" in capsys.readouterr().out


async def test_a_credential_is_in_use_since_it_was_first_seen(database: Database) -> None:
    """The same one keeps its day, another begins anew; a login without a fingerprint has none."""
    notes = ConnectionNotes(database)
    seen = []
    for at, credential in enumerate(["key:a", "key:a", "key:b", "key:b", "", "key:a"], start=1):
        noted = await notes.signed_in(login_of(credential=credential, at=at))
        seen.append(noted.credential_since)
        assert (noted.flow, noted.refreshed_at) == ("jwt_bearer", at)
    assert seen == [1, 1, 3, 3, 0, 6]
    await notes.synced("3MVG9app", 7)
    await notes.synced("3MVG9app", 5)
    noted = await notes.read("3MVG9app")
    assert noted is not None
    assert noted.last_sync_at == 7
    assert await kept_in(database).read("3MVG9app") is None, "a note is no connection"
    assert (await rotate(database, Keyring({"new": NEW}))).already == 0


async def test_a_note_does_not_lead_stored_tokens_elsewhere(rotating: Entry, database: Database) -> None:
    """A process with an older login notes where that one led; the tokens stay where a person has put them."""
    name = rotating.settings.client_id
    before = await kept_in(database).read(name)
    elsewhere = login_of(name=name, flow="web_server", instance_url="https://na1.salesforce.com", org_id="00Dother")
    await ConnectionNotes(database).signed_in(elsewhere)
    after = await kept_in(database).read(name)
    assert before is not None
    assert after == replace(before, flow="web_server", credential_since=after.credential_since if after else 0)
    assert await works(await rotating.process())


def login_of(**changes: Any) -> SignedIn:
    values: dict[str, Any] = {
        "name": "3MVG9app",
        "flow": "jwt_bearer",
        "login_url": "https://login.salesforce.com",
        "instance_url": "https://acme.my.salesforce.com",
        "org_id": "00D",
        "user_id": "005",
        "scopes": ("api",),
        "credential": "key:a",
        "at": 1,
    }
    return SignedIn(**(values | changes))


@pytest.mark.parametrize(
    ("values", "warned"),
    [
        ({}, ["the credential for Salesforce has been in use since"]),
        (
            {
                "SALESFORCE_USERNAME": USERNAME,
                "SALESFORCE_PASSWORD": PASSWORD,
                "SALESFORCE_SECURITY_TOKEN": "9kWq3VbTz7XrN1mP5cYdHs2L",
            },
            ["ends signing in with a user's password on 2027-02-20", "has been in use since"],
        ),
    ],
)
async def test_check_warns_of_what_will_not_last(
    environment: pytest.MonkeyPatch,
    rotating: Entry,
    database: Database,
    capsys: pytest.CaptureFixture[str],
    values: dict[str, str],
    warned: list[str],
) -> None:
    """A credential older than a quarter, and a flow that Salesforce ends; signing in works all the same."""
    environment.delenv("SALESFORCE_REDIRECT_URI")
    environment.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9")
    environment.setenv("KAFKA_REQUEST_TIMEOUT", "1")
    for name, value in values.items():
        environment.setenv(name, value)
    await database[CONNECTIONS].delete_many({})
    await asyncio.to_thread(check.run)
    fresh = capsys.readouterr().out
    assert "in use since" not in fresh
    await ConnectionNotes(database).signed_in(login_of(name=rotating.settings.client_id))
    await asyncio.to_thread(check.run)
    told = capsys.readouterr().out
    assert all(line in told for line in warned)
    assert f"logged in at {rotating.org.org.base_url}" in told
