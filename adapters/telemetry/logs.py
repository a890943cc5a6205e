"""Log lines to standard output: JSON, or pretty on a terminal; context for each unit of work; nothing personal."""

import logging
import sys
import traceback
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, Final, TextIO

import orjson
import structlog
from structlog.stdlib import ProcessorFormatter

from adapters.telemetry.personal import REFUSED, cleaned, is_refused_key
from adapters.telemetry.settings import LogFormat, TelemetrySettings

Line = MutableMapping[str, Any]

_OURS: Final = ("schemas.", "adapters.", "listener.", "consumers.", "ops.", "simulator.")
_KEPT: Final = frozenset({"event", "level", "timestamp", "logger", "exc_info", "_record", "_from_structlog"})


@contextmanager
def open_logs(
    settings: TelemetrySettings, *, stage: str, stream: TextIO | None = None
) -> Iterator[structlog.stdlib.BoundLogger]:
    """Log to `stream` (standard output) while the block runs, and hand out the logger; every line names the `stage`.

    What libraries log goes the same way, from warnings on; so does what our own modules log without it, with the
    fields that they give as `extra`. Afterwards logging is as it was.
    """
    target = stream or sys.stdout
    handler = logging.StreamHandler(target)
    handler.setFormatter(_formatter(settings.log_format, target, stage))
    root = logging.getLogger()
    kept_handlers, kept_level = root.handlers[:], root.level
    own = logging.getLogger("tandem")
    kept_own_level = own.level
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    own.setLevel(settings.log_level.upper())
    try:
        yield structlog.wrap_logger(
            own,
            processors=[structlog.stdlib.filter_by_level, *_SHARED, ProcessorFormatter.wrap_for_formatter],
            wrapper_class=structlog.stdlib.BoundLogger,
            cache_logger_on_first_use=True,
            stage=stage,
        )
    finally:
        root.handlers[:] = kept_handlers
        root.setLevel(kept_level)
        own.setLevel(kept_own_level)


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Libraries write nothing while the block runs: for commands that tell every failure themselves.

    Without logs Python would print their warnings as they are, with whatever they quote.
    """
    nowhere = logging.NullHandler()
    logging.getLogger().addHandler(nowhere)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(nowhere)


@contextmanager
def unit_of_work(**context: object) -> Iterator[None]:
    """Every line written in the block, also by what it calls and awaits, carries this context and none from outside."""
    before = structlog.contextvars.get_contextvars()
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(**context)
    try:
        yield
    finally:
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(**before)


def refuse_personal(_logger: Any, _method: str, line: Line) -> Line:
    """A processor: what stands under a refused key, or looks personal, does not reach the line; that it did is seen."""
    for key, value in line.items():
        if key in _KEPT and key != "event":
            continue
        line[key] = REFUSED if is_refused_key(key) else cleaned(value)
    return line


def describe_exception(_logger: Any, _method: str, line: Line) -> Line:
    """A processor: the exception and its causes as types and places.

    Messages are kept of our own exceptions, which promise to hold no value, and the reason of an operating system
    error; those of libraries may quote a document, a key or a password.
    """
    given = line.pop("exc_info", None)
    if not given:
        return line
    error = given if isinstance(given, BaseException) else (given if isinstance(given, tuple) else sys.exc_info())[1]
    causes: list[str] = []
    while error is not None and len(causes) < 8:
        causes.append("\n  ".join([f"{_type_of(error)}: {cleaned(_said(error))}".rstrip(": "), *_places(error)]))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    line["exception"] = "\ncaused by ".join(causes)
    return line


_ADD_EXTRA: Final = structlog.stdlib.ExtraAdder()
_SHARED: Final = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    refuse_personal,
    describe_exception,
)


def _formatter(form: LogFormat, stream: TextIO, stage: str) -> ProcessorFormatter:
    def of_stage(_logger: Any, _method: str, line: Line) -> Line:
        line["stage"] = stage
        return line

    pretty = form is LogFormat.PRETTY or (form is LogFormat.AUTO and stream.isatty())
    render = structlog.dev.ConsoleRenderer(colors=stream.isatty()) if pretty else _as_json
    return ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_logger_name, of_stage, _add_own_extra, *_SHARED],
        processors=[ProcessorFormatter.remove_processors_meta, render],
    )


def _add_own_extra(logger: Any, method: str, line: Line) -> Line:
    """A processor: what one of our modules gave as `extra`; what libraries give is nobody's promise."""
    return _ADD_EXTRA(logger, method, line) if line["_record"].name.startswith(_OURS) else line


def _as_json(_logger: Any, _method: str, line: Line) -> str:
    return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def _type_of(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _said(error: BaseException) -> str:
    if isinstance(error, OSError):
        return error.strerror or ""
    return str(error) if type(error).__module__.startswith(_OURS) else ""


def _places(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    return [f"{frame.filename.rpartition('site-packages/')[2]}:{frame.lineno} {frame.name}" for frame in frames]
