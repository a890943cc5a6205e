"""`tandem mapping`: the mapping in force as YAML, and a new version from YAML."""

import asyncio
import getpass
import sys
from pathlib import Path
from typing import Final

from adapters.mongo.client import Refused, open_database
from adapters.mongo.mappings import MongoMappings, VersionConflict
from adapters.mongo.settings import MongoSettings
from adapters.telemetry.logs import quiet_libraries
from ops.mapping_source import MappingSettings
from ops.settings import WrongSettings, read_settings
from schemas.mapping import Mapping
from schemas.mapping_reading import InvalidMapping
from schemas.mapping_yaml import dump_mapping, load_mapping
from schemas.unavailable import Unavailable

EXIT_FAILED: Final = 1
EXIT_WRONG_SETTINGS: Final = 2


def run_export(version: int | None) -> int:
    """Print a version, by default the one in force, as YAML; the exit code."""
    try:
        with quiet_libraries():
            mapping = asyncio.run(_stored(version))
    except WrongSettings as wrong:
        return _complain(str(wrong), EXIT_WRONG_SETTINGS)
    except (Unavailable, Refused, InvalidMapping) as error:
        return _complain(str(error))
    if mapping is None:
        return _complain(f"there is no version {version}")
    sys.stdout.write(dump_mapping(mapping))
    return 0


def run_publish(file: Path, note: str) -> int:
    """Make the file the next version; the exit code."""
    try:
        mapping = load_mapping(file.read_text(encoding="utf-8"))
        with quiet_libraries():
            published = asyncio.run(_publish(mapping, note))
    except WrongSettings as wrong:
        return _complain(str(wrong), EXIT_WRONG_SETTINGS)
    except VersionConflict as conflict:
        return _complain(f"{conflict}; export version {conflict.current} and make your changes there")
    except (OSError, UnicodeDecodeError) as error:
        return _complain(f"{file}: cannot be read: {type(error).__name__}")
    except (Unavailable, Refused, InvalidMapping) as error:
        return _complain(str(error))
    sys.stdout.write(f"version {published.version} is published; running processes take it up in a few seconds\n")
    return 0


async def _stored(version: int | None) -> Mapping | None:
    """A version; before the first one is published, what would be."""
    mongo, seed = read_settings(MongoSettings, MappingSettings)
    async with open_database(mongo) as database:
        mappings = MongoMappings(database)
        if version is not None:
            return await mappings.get(version)
        return await mappings.current() or seed.read()


async def _publish(mapping: Mapping, note: str) -> Mapping:
    (mongo,) = read_settings(MongoSettings)
    async with open_database(mongo) as database:
        # The file says which version it was made from, so nobody undoes what somebody else published meanwhile.
        return await MongoMappings(database).publish(mapping, mapping.version, by=getpass.getuser(), note=note)


def _complain(text: str, code: int = EXIT_FAILED) -> int:
    sys.stderr.write(f"{text}\n")
    return code
