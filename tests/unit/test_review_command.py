"""`tandem review` as a person types it, on documents in memory."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
import pytest
from support.fake_documents import FakeDocuments
from support.review_stage import disagree, record_of, reviewing_mapping, reviews_of
from support.sync_stage import Stage
from typer.testing import CliRunner, Result

from consumers.catalog import Catalog
from ops import review_command
from ops.cli import app
from ops.operator_name import operator_name
from ops.reviews import Reviews
from ops.settings import WrongSettings
from schemas.unavailable import Unavailable


@pytest.fixture
def stage() -> Stage:
    """A person chooses phone and title."""
    made = Stage(FakeDocuments())
    made.catalog = Catalog(reviewing_mapping())
    return made


@pytest.fixture(autouse=True)
def _database(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stage's documents in the place of those that the settings name."""

    @asynccontextmanager
    async def open_reviews() -> AsyncIterator[Reviews]:
        assert isinstance(stage.documents, FakeDocuments)
        yield reviews_of(stage, stage.documents)

    monkeypatch.setattr(review_command, "open_reviews", open_reviews)
    monkeypatch.setattr(review_command, "operator_name", lambda: "ana")


async def tandem(*arguments: str, typed: str = "") -> Result:
    """Run `tandem review`, in a thread of its own as it runs a loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, app, ["review", *arguments], input=typed)


async def test_the_list_as_a_table_and_for_scripts(stage: Stage) -> None:
    """The same questions; nothing but JSON where JSON is asked for."""
    assert (await tandem("list")).stdout == "nothing waits\n"
    assert (await tandem("list", "--json")).stdout == ""
    await disagree(stage)
    table = await tandem("list")
    assert table.exit_code == 0
    assert "customer cust-1" in table.stdout
    assert table.stdout.endswith("1 question waits\n")
    (line,) = (await tandem("list", "--json", "--kind", "customer", "--field", "phone")).stdout.splitlines()
    assert orjson.loads(line)["salesforce"] == "s-cust-1"
    refused = await tandem("list", "--kind", "event")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == '"event" is no kind of the mapping; there are: customer\n'


async def test_a_choice_is_confirmed(stage: Stage) -> None:
    """Both values are shown before the question; yes settles it, with name and reason in the audit."""
    await disagree(stage)
    told = await tandem("choose", "customer", "cust-1", "phone", "platform", "--why", "called her", typed="y\n")
    assert told.exit_code == 0, told.output
    shown, _, after = told.stdout.partition("Take what the platform has on both sides?")
    assert "p-cust-1" in shown
    assert "s-cust-1   (the document shows it)" in shown
    assert "A running `tandem write` takes it to Salesforce within seconds." in after
    (row,) = [row for row in stage.log.rows.values() if row.get("note")]  # type: ignore[attr-defined]
    assert row["note"] == "by ana: called her"
    await stage.settle()
    assert record_of(stage)["Phone"] == "p-cust-1"


@pytest.mark.parametrize("typed", ["n\n", "\n", ""])
async def test_anything_but_yes_changes_nothing(stage: Stage, typed: str) -> None:
    """No, the default, and no answer at all."""
    await disagree(stage)
    before = await stage.document()
    told = await tandem("choose", "customer", "cust-1", "phone", "platform", typed=typed)
    assert told.exit_code == 1
    assert await stage.document() == before


async def test_yes_beforehand_asks_nothing_and_twice_is_told(stage: Stage) -> None:
    """For scripts."""
    await disagree(stage)
    told = await tandem("choose", "customer", "cust-1", "phone", "salesforce", "--yes")
    assert told.exit_code == 0, told.output
    assert "[y/N]" not in told.stdout
    assert "Salesforce holds it already" in told.stdout
    again = await tandem("choose", "customer", "cust-1", "phone", "salesforce", "--yes")
    assert (again.exit_code, again.stdout) == (1, "")
    assert again.stderr == "no question is open on phone of customer cust-1\n"
    assert (await tandem("choose", "customer", "cust-1", "phone", "both", "--yes")).exit_code == 2


async def test_when_mongodb_goes_away_nobody_is_told_that_nothing_was_done(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The update may have been made, so the person is told how to find out."""
    await disagree(stage)

    async def away(*_: object, **__: object) -> None:
        raise Unavailable("MongoDB does not answer")

    monkeypatch.setattr(Reviews, "choose", away)
    told = await tandem("choose", "customer", "cust-1", "phone", "platform", "--yes")
    assert told.exit_code == 1
    assert told.stderr == "MongoDB does not answer. Choose again: if no question is open then, this choice was stored\n"


async def test_wrong_settings_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 2, a line each."""

    @asynccontextmanager
    async def wrong() -> AsyncIterator[Reviews]:
        raise WrongSettings(["MONGODB_URI: is not set."])
        yield

    monkeypatch.setattr(review_command, "open_reviews", wrong)
    for arguments in (["list"], ["choose", "customer", "cust-1", "phone", "platform"]):
        told = await tandem(*arguments)
        assert (told.exit_code, told.stdout, told.stderr) == (2, "", "MONGODB_URI: is not set.\n")


def test_a_container_may_have_no_login_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the audit has the user's number; else the name."""
    monkeypatch.setattr("getpass.getuser", lambda: "ana")
    assert operator_name() == "ana"

    def unknown() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr("getpass.getuser", unknown)
    assert operator_name() == f"user {os.getuid()}"
