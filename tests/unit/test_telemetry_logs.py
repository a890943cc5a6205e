"""Log lines: form, context, and what never reaches them."""

import asyncio
import io
import logging
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from adapters.telemetry.logs import open_logs, quiet_libraries, unit_of_work
from adapters.telemetry.settings import LogFormat, LogLevel, TelemetrySettings
from listener.changes.subscriber import log_gap
from schemas.platform_event import PlatformEvent
from schemas.stream import Gap
from schemas.unavailable import Unavailable

MARKER = "Ștefănescu-marker"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Lines(io.StringIO):
    """What was logged."""

    def all(self) -> list[dict[str, Any]]:
        return [orjson.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def log(lines: Lines) -> Iterator[Any]:
    with open_logs(TelemetrySettings(log_level=LogLevel.INFO), stage="writer", stream=lines) as log:
        yield log


def test_off_a_terminal_a_line_is_json(log: Any, lines: Lines) -> None:
    """One object a line: what, how severe, when, which stage, and the fields."""
    log.info("batch_written", rows=200, document_id="cust-42")
    (line,) = lines.all()
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "batch_written", "level": "info", "stage": "writer", "rows": 200, "document_id": "cust-42"}


@pytest.mark.parametrize(
    ("form", "stream", "is_json"),
    [
        (LogFormat.AUTO, Terminal(), False),
        (LogFormat.AUTO, io.StringIO(), True),
        (LogFormat.JSON, Terminal(), True),
        (LogFormat.PRETTY, io.StringIO(), False),
    ],
)
def test_pretty_is_for_terminals(form: LogFormat, stream: io.StringIO, is_json: bool) -> None:
    """Unless the setting says otherwise."""
    with open_logs(TelemetrySettings(log_format=form), stage="s", stream=stream) as log:
        log.warning("org_away", for_seconds=3)
    written = stream.getvalue()
    assert "org_away" in written
    assert written.startswith("{") == is_json


def test_levels_are_kept(log: Any, lines: Lines) -> None:
    """Below the setting nothing is written; libraries speak from warnings on, in the same form."""
    log.debug("unseen")
    logging.getLogger("some.library").info("unseen")
    logging.getLogger("some.library").warning("broker %s is away", 3)
    (line,) = lines.all()
    assert (line["event"], line["logger"], line["level"]) == ("broker 3 is away", "some.library", "warning")


def test_what_a_module_of_ours_logs_keeps_its_fields(log: Any, lines: Lines) -> None:
    """The listener logs by the standard library: `action` and the like are what alerts go by."""
    log_gap(Gap("/data/ContactChangeEvent", "position_refused", 1, 2))
    logging.getLogger("listener.changes.any").warning("refused", extra={"email": MARKER, "note": "ana@example.com"})
    logging.getLogger("some.library").warning("away", extra={"note": MARKER})
    gap, refused, away = lines.all()
    assert {line["stage"] for line in lines.all()} == {"writer"}
    assert (gap["level"], gap["action"], gap["channel"]) == ("critical", "gap", "/data/ContactChangeEvent")
    assert (gap["since"], gap["until"]) == (1, 2)
    assert refused["email"] == "[refused]"
    assert "note" not in away
    assert MARKER not in lines.getvalue()
    assert "ana@example.com" not in lines.getvalue()


async def test_context_belongs_to_its_unit_of_work(log: Any, lines: Lines) -> None:
    """Two tasks at once each carry their own; after the block, and in it from outside, there is none."""

    async def work(number: int) -> None:
        with unit_of_work(offset=number):
            await asyncio.sleep(0)
            log.info("done")
            with unit_of_work(event_id=f"e{number}"):
                log.info("inner")
            log.info("again")

    await asyncio.gather(work(1), work(2))
    log.info("outside")
    kept = [(line["event"], line.get("offset"), line.get("event_id")) for line in lines.all()]
    expected = {("done", n, None) for n in (1, 2)} | {("again", n, None) for n in (1, 2)}
    assert set(kept) == expected | {("inner", None, "e1"), ("inner", None, "e2"), ("outside", None, None)}


@pytest.mark.parametrize(
    "key",
    ["email", "Email", "phone", "first_name", "FirstName", "MailingStreet", "birthdate", "body", "fields", "secret"],
)
def test_personal_keys_are_refused(log: Any, lines: Lines, key: str) -> None:
    """What stands under such a key is kept out, at any depth, and that it was is seen."""
    log.info("change", **{key: MARKER}, deeper={"more": [{key: MARKER}]})
    assert MARKER not in lines.getvalue()
    assert lines.all()[0][key] == "[refused]"
    assert lines.all()[0]["deeper"]["more"][0][key] == "[refused]"


@pytest.mark.parametrize(
    "text",
    [
        "asked for ana.marker@example.com twice",
        "mongodb://marker:marker@localhost.example/",
        "called +40 721 555 010 twice",
        "with whsec_marker== signed",
        "Authorization: Bearer marker!",
    ],
)
def test_what_looks_personal_is_refused(log: Any, lines: Lines, text: str) -> None:
    """Also where it stands under an innocent key, in the event itself, in what a library says, or in an object."""
    log.info(text, note=text, thing=Exception(text))
    logging.getLogger("lib").error("%s", text)
    written = lines.getvalue()
    assert "marker" not in written
    assert "721 555" not in written
    assert len(lines.all()) == 2


def test_exceptions_tell_type_and_place_and_no_value(log: Any, lines: Lines) -> None:
    """A library's message may quote what it was given; ours and the system's are kept."""
    with pytest.raises(ValidationError, match=MARKER) as quoting:
        PlatformEvent.model_validate({"type": MARKER, "data": {"id": MARKER + " x"}})
    with pytest.raises(Unavailable) as ours:
        raise Unavailable("the log did not answer") from quoting.value
    log.error("failed", exc_info=ours.value)
    log.error("refused", exc_info=ConnectionRefusedError(111, "Connection refused"))
    try:
        {}[MARKER]
    except KeyError:
        logging.getLogger("lib").exception("oops")
    written = lines.getvalue()
    assert MARKER not in written
    first, second, third = (line["exception"] for line in lines.all())
    assert first.startswith("schemas.unavailable.Unavailable: the log did not answer\n")
    assert "caused by pydantic_core._pydantic_core.ValidationError\n" in first
    assert "test_exceptions_tell_type_and_place_and_no_value" in first
    assert second == "ConnectionRefusedError: Connection refused"
    assert third.startswith("KeyError\n")


def test_a_pretty_exception_holds_no_value() -> None:
    """The same on a terminal, where libraries would show local variables."""
    stream = Terminal()
    with open_logs(TelemetrySettings(log_format=LogFormat.PRETTY), stage="s", stream=stream) as log:
        try:
            held = {"last": MARKER}
            held[MARKER]
        except KeyError:
            log.exception("failed")
    assert "KeyError" in stream.getvalue()
    assert MARKER not in stream.getvalue()


def test_logging_is_left_as_it_was(lines: Lines) -> None:
    """A process that embeds this keeps its own handlers."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    with open_logs(TelemetrySettings(), stage="s", stream=lines):
        assert root.handlers != before[0]
    assert (root.handlers[:], root.level) == before


def test_settings_by_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """`LOG_*` and `OPS_*`, each described."""
    for name, value in {"LOG_LEVEL": "debug", "LOG_FORMAT": "json", "OPS_HOST": "::1", "OPS_PORT": "9"}.items():
        monkeypatch.setenv(name, value)
    settings = TelemetrySettings()
    assert (settings.log_level, settings.log_format) == (LogLevel.DEBUG, LogFormat.JSON)
    assert (settings.ops_host, settings.ops_port) == ("::1", 9)
    assert all(field.description for field in TelemetrySettings.model_fields.values())


def test_where_there_are_no_logs_libraries_can_be_kept_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    """Python would print their warnings as they are; afterwards everything is as it was."""
    root = logging.getLogger()
    kept, root.handlers[:] = root.handlers[:], []
    try:
        with quiet_libraries():
            logging.getLogger("some.library").error("refused %s", MARKER)
        assert capsys.readouterr().err == ""
        assert root.handlers == []
    finally:
        root.handlers[:] = kept
