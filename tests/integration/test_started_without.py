"""Processes that are started while Kafka or MongoDB is down are at work as soon as it is up, by themselves."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.running import Stages, until

from simulator.servers.kafka import start_kafka
from simulator.servers.local import KAFKA, MONGODB, SETTINGS
from simulator.servers.mongod import start_mongod
from simulator.servers.process import LocalServer

pytestmark = pytest.mark.integration


@pytest.fixture
async def kafka(tmp_path: Path) -> AsyncIterator[LocalServer]:
    """One of the test's own, which it may kill."""
    (tmp_path / "kafka").mkdir()
    server = await start_kafka(tmp_path / "kafka", os.environ, temporary=True)
    yield server
    await server.stop()


@pytest.fixture
async def mongod(tmp_path: Path) -> AsyncIterator[LocalServer]:
    """One of the test's own, which it may kill."""
    (tmp_path / "mongod").mkdir()
    server = await start_mongod(tmp_path / "mongod", os.environ, temporary=False)
    yield server
    await server.stop()


async def waits_and_works(server: LocalServer, what: str) -> None:
    """Start a reconciler without the server; it waits, and works once the server is back."""
    await server.kill()
    stages = Stages()
    try:
        stages.start("reconcile")
        running = stages.stages["reconcile"]
        await until(lambda: running.notes.last("unavailable"), f"it waits for {what}")
        told = running.notes.last("unavailable")
        assert told is not None
        assert told["what"] == what
        await server.start_again()
        await until(lambda: "reconcile" in running.frame.up, "it works")
        await stages.stop("reconcile")
    finally:
        await stages.close()


async def test_a_kafka_that_is_restarted_is_waited_for(
    kafka: LocalServer, mongodb_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ended at once, and was started again after waits that doubled: longer away than Kafka itself."""
    monkeypatch.setenv(SETTINGS[KAFKA], kafka.address)
    monkeypatch.setenv(SETTINGS[MONGODB], mongodb_uri)
    monkeypatch.setenv("MONGODB_DATABASE", "started_without_kafka")
    await waits_and_works(kafka, "Kafka")


async def test_a_mongodb_that_is_restarted_is_waited_for(
    kafka_bootstrap: str, mongod: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Longer than one attempt may take."""
    monkeypatch.setenv(SETTINGS[KAFKA], kafka_bootstrap)
    monkeypatch.setenv(SETTINGS[MONGODB], mongod.address)
    monkeypatch.setenv("MONGODB_CONNECT_SECONDS", "0.2")
    await waits_and_works(mongod, "MongoDB")
