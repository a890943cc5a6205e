"""`tandem mapping`: the mapping in force as YAML, and new versions: as a plan, published, applied, rolled back.

Nothing that it prints is personal data, but for the ids of documents where they are asked for.
"""

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import typer
from rich.console import Console

from adapters.mongo.client import Refused
from adapters.mongo.mappings import VersionConflict
from ops import mapping_change
from ops.command_end import ask, complain, exit_code, say
from ops.mapping_change import TAKEN_UP_SECONDS, CannotChange, Wanted
from ops.mapping_fit import Fit, fit_of
from ops.mapping_view import plan_lines, progress_bar, versions_table
from ops.operator_name import operator_name
from ops.settings import WrongSettings
from schemas.mapping import Mapping
from schemas.mapping_faults import find_faults, is_made_from
from schemas.mapping_reading import InvalidMapping
from schemas.mapping_yaml import dump_mapping, read_yaml
from schemas.unavailable import Unavailable

GO_ON: Final = "`tandem mapping apply` goes on"


def run_export(version: int | None) -> int:
    """Print a version, by default the one in force, as YAML; the exit code."""

    def work() -> None:
        mapping = ask(mapping_change.stored(version))
        if mapping is None:
            raise CannotChange(f"there is no version {version}")
        sys.stdout.write(dump_mapping(mapping))

    return _exit_code(work)


def run_plan(file: Path, names: int) -> int:
    """Show what the file would do as the next version; the exit code."""

    def work() -> None:
        mapping, told = _usable(file)
        say(plan_lines(ask(mapping_change.plan_change(mapping_change.of_file(mapping), names, progress_bar))))
        _note(told)

    return _exit_code(work)


def run_publish(file: Path, note: str, *, sure: bool) -> int:
    """Make the file the next version, as a plan first, and apply it; the exit code."""

    def work() -> None:
        _refuse_nobody_to_ask(sure=sure)
        mapping, told = _usable(file)
        _note(told)
        _publish(mapping_change.of_file(mapping), note, sure=sure)

    return _exit_code(work)


def run_rollback(version: int, note: str, *, sure: bool) -> int:
    """Make an older version the next one, as a plan first, and apply it; the exit code."""

    def work() -> None:
        _refuse_nobody_to_ask(sure=sure)
        found = ask(mapping_change.stored(version))
        if found is not None:
            _note(_fitting(found))
        _publish(mapping_change.of_version(version), note or f"back to version {version}", sure=sure)

    return _exit_code(work)


def run_apply() -> int:
    """Go on with an application that was interrupted; the exit code."""
    return _exit_code(_apply)


def run_versions() -> int:
    """Show all versions; the exit code."""

    def work() -> None:
        found = ask(mapping_change.history())
        if not found.publications:
            raise CannotChange("no mapping is published yet")
        Console().print(versions_table(found))

    return _exit_code(work)


def _publish(wanted: Wanted, note: str, *, sure: bool) -> None:
    """Between the question and the answer no connection is open: a person may take an hour."""
    change = ask(mapping_change.plan_change(wanted, 0, progress_bar))
    say(plan_lines(change))
    if change.before is not None and not change.differences:
        return
    if not sure and not _confirmed(f"Publish version {change.after.version}, and apply it?"):
        raise CannotChange("nothing was changed")
    try:
        published = ask(mapping_change.publish(change, by=operator_name(), note=note))
    except (Unavailable, KeyboardInterrupt) as error:
        told = str(error) or "interrupted"
        raise CannotChange(f"{told}; whether it is published `tandem mapping versions` tells") from error
    say([f"version {published.version} is published; running processes take it up in a few seconds"])
    _apply()


def _apply() -> None:
    try:
        ended = ask(mapping_change.apply_current(progress_bar, _waiting, taken_up=TAKEN_UP_SECONDS))
    except KeyboardInterrupt:
        raise CannotChange(f"interrupted; the version stays in force, what is decided stays decided; {GO_ON}") from None
    except Unavailable as error:
        raise CannotChange(f"{error}; {GO_ON}") from error
    applied = ended.applied
    if not applied.decided and not applied.refused and not ended.left:
        say([f"nothing to do: no document was decided by an older version than {ended.version}"])
        return
    done = f"{applied.decided:,} document{' was' if applied.decided == 1 else 's were'} decided again"
    then = "a running `tandem write` takes what is due to Salesforce"
    say([f"{done} by version {ended.version}; {then}"])
    for name, why in applied.refused.items():
        complain(f"{name}: MongoDB will not store it: {why}")
    if applied.refused:
        raise CannotChange(f"{len(applied.refused)} could not be stored; put them right, then {GO_ON}")
    if ended.left:
        raise CannotChange(f"{ended.left} have come from a process that has not taken the version up; {GO_ON}")


def _waiting(what: str) -> None:
    if what:
        complain(what)


def _refuse_nobody_to_ask(*, sure: bool) -> None:
    if not sure and not sys.stdin.isatty():
        raise CannotChange(
            "standard input is no terminal, so nobody can be asked: `--yes` publishes without a question"
        )


def _confirmed(question: str) -> bool:
    try:
        return typer.confirm(question)
    except typer.Abort:
        return False


def _usable(file: Path) -> tuple[Mapping, list[str]]:
    """What the file says, if nothing forbids it; and what is worth saying all the same.

    Raises:
        InvalidMapping: with everything that is wrong: in itself, against the version in force, by the org.
    """
    reading = read_yaml(_text(file))
    before, not_known = _in_force()
    fits: list[Fit] = []

    async def ask_org(mapping: Mapping) -> tuple[Sequence[str], str]:
        fits.append(await fit_of(mapping))
        return fits[-1].blocking, fits[-1].untold

    found = ask(find_faults(reading, before, ask_org))
    if faults := found.told:
        if not not_known and not is_made_from(reading, before) and reading.mapping is not None:
            faults.append(str(VersionConflict(reading.mapping.version, before.version if before else 0)))
        raise InvalidMapping([*faults, *not_known])
    if reading.mapping is None:
        raise InvalidMapping(["mapping: cannot be read"])
    return reading.mapping, [line for fit in fits for line in _worth_saying(fit)]


def _in_force() -> tuple[Mapping | None, list[str]]:
    """The version that the file is compared with; where MongoDB does not tell, that is said beside what is wrong."""
    try:
        return ask(mapping_change.in_force()), []
    except (WrongSettings, Unavailable, Refused, InvalidMapping) as error:
        return None, [f"not compared with the version in force: {error}"]


def _fitting(mapping: Mapping) -> list[str]:
    """What is worth saying of a mapping that the org has nothing against.

    Raises:
        InvalidMapping: with what the org has against it.
    """
    fit = ask(fit_of(mapping))
    if fit.blocking:
        raise InvalidMapping(fit.blocking)
    return _worth_saying(fit)


def _worth_saying(fit: Fit) -> list[str]:
    told = [f"not compared with the org: {fit.untold}"] if fit.untold else []
    return [*told, *(f"note: {complaint}" for complaint in fit.complaints)]


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CannotChange(f"{file}: cannot be read: {type(error).__name__}") from error


def _exit_code(work: Callable[[], None]) -> int:
    def done() -> None:
        try:
            work()
        except VersionConflict as conflict:
            told = f"{conflict}; export version {conflict.current} and make your changes there"
            raise CannotChange(told) from conflict

    return exit_code(done, failures=(CannotChange,), interrupted="interrupted; nothing was changed")


def _note(lines: Iterable[str]) -> None:
    """Beside the plan, so that whoever reads that from a pipe has it alone."""
    for line in lines:
        complain(line)
