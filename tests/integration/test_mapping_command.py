"""`tandem mapping` on the real MongoDB: export, edit, publish."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase
from support.org import org_client

from adapters.mongo.mappings import MongoMappings
from ops import mapping_command
from schemas.field_mapping import Policy
from schemas.mapping_yaml import load_mapping
from schemas.presets import preset

pytestmark = pytest.mark.integration

Database = AsyncDatabase[dict[str, Any]]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mongodb_uri: str, database: Database) -> None:
    """The database of this test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MONGODB_URI", mongodb_uri)
    monkeypatch.setenv("MAPPING_PRESET", "customers")
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
    await MongoMappings(database).publish(preset("customers"), 0, by="a")
    text = await exported(capsys)
    await MongoMappings(database).publish(preset("customers"), 1, by="b")
    assert await published(text, tmp_path) == 1
    assert "the mapping is at version 2, not at 1" in capsys.readouterr().err


async def test_a_mapping_that_does_not_fit_the_org_is_not_published(
    monkeypatch: pytest.MonkeyPatch, database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All that is wrong is named in one answer, in itself and by the org; the plan says the same."""
    async with org_client() as org:
        monkeypatch.setenv("SALESFORCE_LOGIN_URL", org.org.base_url)
        monkeypatch.setenv("SALESFORCE_CLIENT_ID", org.org.client_id)
        monkeypatch.setenv("SALESFORCE_CLIENT_SECRET", org.org.client_secret)
        text = await exported(capsys)
        wrong = (
            text
            + "      - {platform: nickname, salesforce: Nickname__c}\n"
            + "      - {platform: skills, salesforce: Skills__c, policy: union}\n"
        )
        file = tmp_path / "wrong.yaml"
        file.write_text(wrong, encoding="utf-8")
        for run in (
            partial(mapping_command.run_plan, file, 0),
            partial(mapping_command.run_publish, file, "", sure=True),
        ):
            assert await asyncio.to_thread(run) == 1
            told = capsys.readouterr().err.splitlines()
            assert [line for line in told if 'policy: "union" is for sets of values' in line]
            assert [line for line in told if "customer.fields.nickname: the object has no field Nickname__c" in line]
            assert [line for line in told if "customer.fields.skills: the object has no field Skills__c" in line]
        assert await MongoMappings(database).current() is None
        assert await published(text, tmp_path) == 0
        assert "not compared" not in capsys.readouterr().err


async def test_faults_of_every_sort_are_told_at_once(
    monkeypatch: pytest.MonkeyPatch, database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be read, what does not hold together, what documents cannot follow, the org's, and the version."""
    await MongoMappings(database).publish(preset("customers"), 0, by="a")
    text = (await exported(capsys)).replace("version: 1", "version: 9")
    text = text.replace("collection: customers", "collection: x")
    file = tmp_path / "wrong.yaml"
    file.write_text(
        text
        + "      - {platform: nickname, salesforce: Nickname__c}\n"
        + "      - {platform: skills, salesforce: Skills__c, policy: newest}\n"
        + "      - {platform: home, salesforce: Email}\n",
        encoding="utf-8",
    )
    sorts = [
        'policy: "newest" is not allowed',
        '"Email" is already mapped by fields[',
        'collection: cannot change from "customers" to "x"',
        "the mapping is at version 1, not at 9",
    ]
    of_org = [f"the object has no field {name}" for name in ("Nickname__c", "Skills__c")]
    assert await asyncio.to_thread(partial(mapping_command.run_plan, file, 0)) == 1
    told = capsys.readouterr().err
    assert [said for said in sorts if said not in told] == []
    assert "not compared with the org: the settings SALESFORCE_* name none" in told
    async with org_client() as org:
        monkeypatch.setenv("SALESFORCE_LOGIN_URL", org.org.base_url)
        monkeypatch.setenv("SALESFORCE_CLIENT_ID", org.org.client_id)
        monkeypatch.setenv("SALESFORCE_CLIENT_SECRET", org.org.client_secret)
        assert await asyncio.to_thread(partial(mapping_command.run_publish, file, "", sure=True)) == 1
    told = capsys.readouterr().err
    assert [said for said in (*sorts, *of_org) if said not in told] == []
    assert len(told.splitlines()) == len(sorts) + len(of_org)


async def test_without_an_org_a_mapping_is_published_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever publishes may have no access to Salesforce; `tandem write` compares when the version comes into force."""
    text = await exported(capsys)
    assert await published(text, tmp_path) == 0
    assert "not compared with the org: the settings SALESFORCE_* name none" in capsys.readouterr().err


async def test_faults_are_told_with_their_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is published."""
    text = (await exported(capsys)).replace("salesforce: Title", "salesforce: Name")
    assert await published(text, tmp_path) == 1
    told = capsys.readouterr().err
    assert told.startswith("line 18: kinds.customer.fields[4].salesforce:")
    assert await asyncio.to_thread(partial(mapping_command.run_publish, tmp_path / "missing.yaml", "", sure=True)) == 1
    assert "missing.yaml: cannot be read: FileNotFoundError" in capsys.readouterr().err
    assert await asyncio.to_thread(mapping_command.run_export, 5) == 1
    assert "there is no version 5" in capsys.readouterr().err
