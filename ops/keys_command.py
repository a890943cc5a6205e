"""`tandem keys rotate`: what is sealed in the database is sealed anew with the newest key."""

import asyncio
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.text import Text

from adapters.encryption.keyring import Keyring, key_of
from adapters.encryption.settings import EncryptionSettings
from adapters.mongo.client import Database, Refused, open_database
from adapters.mongo.connections import reseal, sealed_connections
from adapters.mongo.settings import MongoSettings
from adapters.telemetry.logs import quiet_libraries
from ops.command_end import EXIT_FAILED, EXIT_WRONG_SETTINGS
from ops.settings import WrongSettings, read_settings
from schemas.connection import CannotOpen
from schemas.unavailable import Unavailable

TRIES: Final = 5
"""A process may refresh a login while its tokens are sealed anew; then they are read again."""


@dataclass(slots=True)
class Rotation:
    """What was found, and done."""

    sealed_anew: int = 0
    already: int = 0
    unopened: tuple[str, ...] = ()


def run_rotate() -> int:
    """Seal everything with the newest key; the exit code."""
    console = Console()
    try:
        with quiet_libraries():
            mongo, encryption = read_settings(MongoSettings, EncryptionSettings)
            keyring = encryption.keyring()
            if keyring is None:
                console.print(Text("ENCRYPTION_KEYS is not set: there is nothing to seal with"))
                return EXIT_WRONG_SETTINGS
            done = asyncio.run(_rotate_in(mongo, keyring))
    except WrongSettings as wrong:
        console.print(Text(str(wrong)))
        return EXIT_WRONG_SETTINGS
    except (Unavailable, Refused) as error:
        console.print(Text(str(error)))
        return EXIT_FAILED
    for line in told(done, keyring.newest):
        console.print(Text(line))
    return EXIT_FAILED if done.unopened else 0


def told(done: Rotation, newest: str) -> list[str]:
    """The end, in lines."""
    lines = [f"sealed anew with the key {newest}: {done.sealed_anew}; sealed with it before: {done.already}"]
    if done.unopened:
        return [*lines, *done.unopened, "not everything is sealed anew: keep every key in ENCRYPTION_KEYS"]
    return [*lines, f"no other key than {newest} is needed any more"]


async def _rotate_in(mongo: MongoSettings, keyring: Keyring) -> Rotation:
    async with open_database(mongo) as database:
        return await rotate(database, keyring)


async def rotate(database: Database, keyring: Keyring) -> Rotation:
    """Seal anew whatever is sealed with an older key.

    Raises:
        Unavailable: MongoDB does not answer, or something changes whenever it is about to be sealed.
    """
    done = Rotation()
    for _try in range(TRIES):
        lost = False
        done.already, unopened = 0, []
        async for stored in sealed_connections(database):
            if {key_of(text) for text in stored.sealed.values()} == {keyring.newest}:
                done.already += 1
                continue
            try:
                sealed = await reseal(database, stored, keyring)
            except CannotOpen as error:
                unopened.append(str(error))
                continue
            done.sealed_anew += sealed
            lost = lost or not sealed
        done.unopened = tuple(unopened)
        if not lost:
            return done
    raise Unavailable("the stored connections change all the time; try again")
