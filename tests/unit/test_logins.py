"""What is told of logins: alarms once, not ready while a person is needed, reminders of old credentials."""

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest
from support.keys import new_key, pem

from adapters.mongo.connection_notes import SignedIn
from adapters.salesforce.authorization import challenge_of, is_answer, new_authorization, read_redirect
from adapters.salesforce.credential import QUARTER_DAYS, fingerprint, reminder
from adapters.salesforce.grants import Grant, read_grant
from adapters.salesforce.settings import SalesforceSettings
from adapters.telemetry.metrics import Metrics
from ops.connection_notes import LastSync, NoteKeeper
from ops.logins import login_ping, login_told, warn_of_flow
from ops.processes.frame import Frame
from ops.settings_groups import ALL, contradictions
from schemas.connection import Connection
from schemas.session import LoginFailed, Session
from schemas.unavailable import Unavailable

DAY = 86_400_000
URL = "https://acme.my.salesforce.com"


class Log:
    """Keeps the lines, each with its level."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, Any]]] = []

    def __getattr__(self, level: str) -> Any:
        return lambda event, **values: self.lines.append((level, event, values))


def new_frame() -> Frame:
    return Frame(stage="test", log=Log(), metrics=Metrics(), stop=asyncio.Event())


def settings(**changes: Any) -> SalesforceSettings:
    values = {"client_id": "3MVG9app", "client_secret": "5E1B2D0C4A96F7E8", "login_url": URL}
    return SalesforceSettings(**(values | changes))


def metric(frame: Frame, line: str) -> bool:
    return line in frame.metrics.render().decode().splitlines()


class Stub:
    """An open org, as far as is looked at here."""

    def __init__(self) -> None:
        self.login = self
        self.refusal: LoginFailed | None = None
        self.granted: Grant | None = None

    async def grant(self) -> Grant:
        if self.granted is None:
            raise LoginFailed("no answer", code="no_answer")
        return self.granted


async def test_a_refusal_alarms_once_and_the_process_is_not_ready() -> None:
    """Critical on the first, nothing on its repeats, a line when it is over; what passes by itself is a warning."""
    frame, org = new_frame(), Stub()
    told, ping = login_told(frame), login_ping(org)  # type: ignore[arg-type]
    refusal = LoginFailed("Salesforce has ended the connection", code="invalid_grant", terminal=True)
    await ping()
    for failure in (LoginFailed("no answer", code="no_answer"), refusal, refusal):
        told(failure)
    org.refusal = refusal
    assert [(level, event, values["code"]) for level, event, values in frame.log.lines] == [
        ("warning", "login_failed", "no_answer"),
        ("critical", "login_refused", "invalid_grant"),
    ]
    assert metric(frame, "tandem_salesforce_login_refused 1.0")
    assert metric(frame, 'tandem_salesforce_logins_total{outcome="refused"} 2.0')
    with pytest.raises(Unavailable, match="login refused: invalid_grant"):
        await ping()
    told(None)
    org.refusal = None
    await ping()
    assert frame.log.lines[-1][:2] == ("info", "login_granted_again")
    assert metric(frame, "tandem_salesforce_login_refused 0.0")
    told(refusal)
    assert frame.log.lines[-1][:2] == ("critical", "login_refused")


def test_a_password_is_warned_of_at_start() -> None:
    """With the day on which Salesforce ends it; the other flows say nothing."""
    frame = new_frame()
    warn_of_flow(frame, settings())
    assert frame.log.lines == []
    warn_of_flow(frame, settings(username="ops@acme.example", password="hush"))
    ((level, event, values),) = frame.log.lines
    assert (level, event) == ("warning", "login_flow_ends")
    assert "2027-02-20" in values["reason"]


def test_stored_tokens_need_a_key() -> None:
    """Told at start, with the other contradictions."""
    stored = settings(redirect_uri="http://localhost:8719/callback")
    encryption = next(group for group in ALL if group.__name__ == "EncryptionSettings")
    both = {SalesforceSettings: stored, encryption: encryption()}
    assert [line.partition(" ")[0] for line in contradictions(both)] == ["ENCRYPTION_KEYS"]
    assert list(contradictions(both | {SalesforceSettings: settings()})) == []


def test_a_fingerprint_tells_credentials_apart_and_gives_none_away(tmp_path: Path) -> None:
    """The same for the same, another for another; none for a password, which could be guessed."""
    for name in ("ours", "theirs"):
        (tmp_path / name).write_bytes(pem(new_key(name=name)))
    by_key = {"client_secret": "", "username": "u@acme.example"}
    key = {name: value for name, value in by_key.items() if value}
    prints = [
        fingerprint(settings()),
        fingerprint(settings(client_secret="5E1B2D0C4A96F7E9")),
        fingerprint(settings(client_id="3MVG9other")),
        fingerprint(settings(**key, private_key_path=tmp_path / "ours")),
        fingerprint(settings(**key, private_key_path=tmp_path / "theirs")),
    ]
    assert len(set(prints)) == 5
    assert fingerprint(settings()) == prints[0]
    assert not any("5E1B2D0C" in text for text in prints)
    assert fingerprint(settings(username="u@acme.example", password="hush")) == ""


def connection(**changes: Any) -> Connection:
    values: dict[str, Any] = {
        "name": "3MVG9app",
        "login_url": URL,
        "instance_url": URL,
        "org_id": "00D",
        "user_id": "005",
        "scopes": ("api",),
        "access_token": "",
        "refresh_token": "",
        "connected_at": 0,
        "refreshed_at": 0,
    }
    return Connection(**(values | changes))


@pytest.mark.parametrize(
    ("changes", "days", "reminded"),
    [
        ({"credential_since": DAY}, QUARTER_DAYS, False),
        ({"credential_since": DAY}, QUARTER_DAYS + 1, True),
        ({"connected_at": DAY}, QUARTER_DAYS + 1, True),
        ({"connected_at": DAY, "credential_since": 90 * DAY}, QUARTER_DAYS + 1, False),
        ({}, 10_000, False),
    ],
)
def test_a_credential_is_old_after_a_quarter(changes: dict[str, int], days: int, reminded: bool) -> None:
    """By when it was first seen, else by when a person agreed; where neither is known nothing is said."""
    text = reminder(connection(**changes), (1 + days) * DAY)
    assert bool(text) is reminded
    assert not reminded or f"since 1970-01-02, {days} days" in text


class Notes:
    """Keeps what is noted."""

    def __init__(self, since: int) -> None:
        self.since = since
        self.logins: list[SignedIn] = []
        self.syncs: list[int] = []

    async def signed_in(self, login: SignedIn) -> Connection:
        self.logins.append(login)
        return connection(credential_since=self.since)

    async def synced(self, _name: str, at: int) -> None:
        self.syncs.append(at)


async def test_logins_and_syncs_are_noted_once_and_old_credentials_reminded_of_daily() -> None:
    """Nothing before the first login; a new grant is noted, the same one is not; one reminder a day."""
    frame, org, notes, sync, seconds = new_frame(), Stub(), Notes(since=DAY), LastSync(), [1.0]
    keeper = NoteKeeper(frame, org, notes, settings(), sync, clock=lambda: seconds[0])  # type: ignore[arg-type]
    sync.moved()
    await keeper.look()
    assert (notes.logins, notes.syncs) == ([], [])
    org.granted = Grant(Session(URL, "t"), 5, "00D", "005", ("api",))
    for _time in range(3):
        await keeper.look()
    assert notes.syncs == [sync.at]
    (login,) = notes.logins
    assert (login.flow, login.org_id, login.at) == ("client_credentials", "00D", 5)
    assert [event for _, event, _ in frame.log.lines] == ["credential_old"]
    org.granted = Grant(Session(URL, "u"), 6, "00D")
    await keeper.look()
    assert [login.at for login in notes.logins] == [5, 6]
    (age,) = [
        line for line in frame.metrics.render().decode().splitlines() if line.startswith("tandem_salesforce_cred")
    ]
    assert float(age.split()[-1]) > 50 * 365 * 86_400, "in use since the second of January 1970"
    seconds[0] += 86_400
    await keeper.look()
    assert [event for _, event, _ in frame.log.lines] == ["credential_old"] * 2


def test_the_verifier_and_the_challenge_are_those_of_the_rfc() -> None:
    """RFC 7636, appendix B."""
    assert challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_each_attempt_is_another() -> None:
    """State and verifier are made by chance and long enough; the verifier is in no text of it."""
    stored = settings(redirect_uri="http://localhost:8719/callback")
    one, two = new_authorization(stored), new_authorization(stored)
    assert one.state != two.state
    assert one.verifier != two.verifier
    assert 43 <= len(one.verifier) <= 128
    assert one.verifier not in repr(one)
    assert one.verifier not in one.url
    assert "redirect_uri=http%3A%2F%2Flocalhost%3A8719%2Fcallback" in one.url
    assert "scope=api+refresh_token" in one.url


@pytest.mark.parametrize(
    "location",
    [
        "http://localhost:8719/callback?code=aPrx%3D%3D&state=s",
        "/callback?state=s&code=aPrx%3D%3D#_",
        "  ?code=aPrx%3D%3D&state=s \n",
        "code=aPrx%3D%3D&state=s",
    ],
)
def test_a_redirect_is_read_however_it_was_copied(location: str) -> None:
    """The whole address, its path, or what stands behind the question mark; the code is decoded."""
    assert is_answer(location, "s")
    assert read_redirect(location, "s") == "aPrx=="


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("http://localhost/callback?code=aPrx&state=another", "bad_redirect"),
        ("http://localhost/callback?code=aPrx", "bad_redirect"),
        ("http://localhost/callback?state=s", "bad_redirect"),
        ("http://localhost/callback?error=access_denied&error_description=no&state=s", "access_denied"),
        ("", "bad_redirect"),
    ],
)
def test_what_is_no_answer_is_refused(location: str, code: str) -> None:
    """Another attempt's, none, or a no: and nothing of the code is shown."""
    with pytest.raises(LoginFailed) as failed:
        read_redirect(location, "s")
    assert (failed.value.code, failed.value.terminal) == (code, True)
    assert "aPrx" not in str(failed.value)


@pytest.mark.parametrize(
    ("told", "code"),
    [("invalid_grant", "invalid_grant"), ("Ada ada@example.org", "http_400"), ("a" * 81, "http_400"), ("", "http_400")],
)
def test_a_refused_logins_code_is_none_that_is_free_text(told: str, code: str) -> None:
    """It goes into documents and onto pages, as `LOGIN:` and the code."""
    with pytest.raises(LoginFailed) as failed:
        read_grant(400, orjson.dumps({"error": told}), login_url="https://login.salesforce.com")
    assert (failed.value.code, failed.value.terminal) == (code, True)
