"""Opening MongoDB: guarantees, and one clear line where it cannot be opened."""

import asyncio
import contextlib

import pytest
from pymongo import ReadPreference, WriteConcern
from pymongo.read_concern import ReadConcern

from adapters.mongo.client import Refused, open_database
from adapters.mongo.settings import MongoSettings
from schemas.unavailable import Unavailable

pytestmark = pytest.mark.integration


def with_option(uri: str, option: str) -> str:
    """The URI with one more option."""
    return f"{uri}{'&' if '?' in uri else '/?'}{option}".replace("//?", "/?")


async def test_writes_and_reads_are_of_a_majority_whatever_the_uri_says(mongodb_uri: str) -> None:
    """A weaker wish in the connection string does not weaken the promises."""
    settings = MongoSettings(
        uri=with_option(mongodb_uri, "w=1&readConcernLevel=local&readPreference=nearest"), database="tandem_client_test"
    )
    async with open_database(settings) as database:
        assert database.write_concern == WriteConcern(w="majority", j=True)
        assert database.read_concern == ReadConcern("majority")
        assert database.read_preference == ReadPreference.PRIMARY
        assert database.codec_options.tz_aware
        assert database.client.options.retry_writes
        assert database.name == "tandem_client_test"


async def test_wrong_credentials_are_refused_in_one_line(mongodb_uri: str) -> None:
    """The line says that the login failed, and not with what."""
    settings = MongoSettings(uri=mongodb_uri, username="tandem", password="hunter2-not-it")
    with pytest.raises(Refused, match="AuthenticationFailed") as caught:
        async with open_database(settings):
            pytest.fail("opened with wrong credentials")
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_a_server_that_does_not_answer_is_unavailable_in_time() -> None:
    """The wait is the setting's, and the line names the address."""

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        settings = MongoSettings(uri=f"mongodb://{host}:{port}", connect_seconds=0.3)
        async with asyncio.timeout(20):
            with pytest.raises(Unavailable, match=f"{host}:{port}") as caught:
                async with open_database(settings):
                    pytest.fail("opened nothing")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200
