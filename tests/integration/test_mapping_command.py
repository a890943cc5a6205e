"""`tandem mapping` on the real MongoDB: export, edit, publish."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase

from adapters.mongo.mappings import MongoMappings
from ops import mapping_command
from schemas.mapping import Policy
from schemas.mapping_yaml import load_mapping
from schemas.presets import preset

pytestmark = pytest.mark.integration

Database = AsyncDatabase[dict[str, Any]]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mongodb_uri: str, database: Database) -> None:
    """The database of this test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MONGODB_URI", mongodb_uri)
    monkeypatch.setenv("MONGODB_DATABASE", database.name)


async def exported(capsys: pytest.CaptureFixture[str], version: int | None = None) -> str:
    """What is printed, and nothing that was printed before."""
    capsys.readouterr()
    assert await asyncio.to_thread(mapping_command.run_export, version) == 0
    return capsys.readouterr().out


async def published(text: str, tmp_path: Path) -> int:
    """The exit code for this text."""
    file = tmp_path / "mapping.yaml"
    file.write_text(text, encoding="utf-8")
    return await asyncio.to_thread(partial(mapping_command.run_publish, file, "a reason", sure=True))


async def test_export_edit_publish(database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The whole way by hand, with no Python: a new field, a new version, and the old one still there."""
    first = await exported(capsys)
    assert await published(first, tmp_path) == 0
    text = await exported(capsys)
    assert load_mapping(text).version == 1
    added = "      - {platform: nickname, salesforce: Nickname__c, policy: latest_wins}\n"
    assert await published(text + added, tmp_path) == 0
    mapping = await MongoMappings(database).current()
    assert mapping is not None
    assert mapping.version == 2
    assert mapping.kinds["customer"].fields[-1].policy is Policy.LATEST_WINS
    assert await exported(capsys, 1) == text


async def test_an_export_that_is_out_of_date_is_refused(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What somebody else has published since is not undone."""
    await MongoMappings(database).publish(preset("ticketing"), 0, by="a")
    text = await exported(capsys)
    await MongoMappings(database).publish(preset("ticketing"), 1, by="b")
    assert await published(text, tmp_path) == 1
    assert "the mapping is at version 2, not at 1" in capsys.readouterr().err


async def test_faults_are_told_with_their_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is published."""
    text = (await exported(capsys)).replace("salesforce: Title", "salesforce: Name")
    assert await published(text, tmp_path) == 1
    told = capsys.readouterr().err
    assert told.startswith("line 17: kinds.customer.fields[4].salesforce:")
    assert await asyncio.to_thread(partial(mapping_command.run_publish, tmp_path / "missing.yaml", "", sure=True)) == 1
    assert "missing.yaml: cannot be read: FileNotFoundError" in capsys.readouterr().err
    assert await asyncio.to_thread(mapping_command.run_export, 5) == 1
    assert "there is no version 5" in capsys.readouterr().err
