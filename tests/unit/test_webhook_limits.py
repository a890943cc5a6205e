"""Bodies that are too long, too slow or never end, senders that hang up, and too many at once: by raw sockets."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import orjson
import pytest
from aiohttp import ClientSession
from support.fakes_webhook import FakeEventLog, Running, event, listening, signed

MIB = 1 << 20


@asynccontextmanager
async def connected(running: Running) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection, with all of it over within ten seconds."""
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    try:
        async with asyncio.timeout(30):
            yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def head(body: bytes = b"", length: str | None = None, **more: str) -> bytes:
    """The request line and headers of a signed post; `length` stands for how the body is framed."""
    headers = {"Host": "here", **signed(body), **{name.replace("_", "-"): value for name, value in more.items()}}
    lines = [f"{name}: {value}" for name, value in headers.items()]
    lines.append(length if length is not None else f"Content-Length: {len(body)}")
    return "\r\n".join(["POST /webhooks/tickets HTTP/1.1", *lines, "", ""]).encode()


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, object], bool]:
    """Status and body of the next answer, and whether it announces the end of the connection."""
    raw = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = next(line for line in raw.splitlines() if line.startswith("content-length")).split(":")[1]
    body = orjson.loads(await reader.readexactly(int(length)))
    return int(raw.split()[1]), body, "connection: close" in raw


async def until(condition: Callable[[], bool]) -> None:
    """Wait for it, half a minute at most."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - it asks what a server on the same loop has done, which tells no one
            await asyncio.sleep(0)


async def flood(writer: asyncio.StreamWriter, total: int, *, chunked: bool) -> int:
    """How many of `total` bytes could be sent before the server ended it."""
    piece, sent = b"x" * 65536, 0
    with suppress(ConnectionError):
        while sent < total:
            writer.write(b"10000\r\n%s\r\n" % piece if chunked else piece)
            await writer.drain()
            sent += len(piece)
    return sent


@pytest.mark.parametrize("framing", ["Content-Length: 268435456", "Transfer-Encoding: chunked"])
async def test_413_and_no_further(framing: str) -> None:
    """Of 256 MiB the server takes no more than its limit and what the sockets hold, says 413, and hangs up."""
    async with listening() as running, connected(running) as (reader, writer):
        writer.write(head(length=framing))
        sending = asyncio.create_task(flood(writer, 256 * MIB, chunked="chunked" in framing))
        status, said, last = await answer(reader)
        assert (status, said["error"], last) == (413, "too_large", True)
        sent = await sending
        # The kernel's buffers on both ends hold a few MiB that nobody reads.
        assert sent < 32 * MIB
        assert running.witness.answers == {("tickets", 413): 1}
        assert not running.log.asked


async def test_a_declared_length_is_enough_for_413() -> None:
    """Not one byte of the body has to come."""
    async with listening() as running, connected(running) as (reader, writer):
        writer.write(head(length=f"Content-Length: {MIB + 1}"))
        assert (await answer(reader))[0] == 413
        assert await reader.read() == b""


async def test_no_invitation_to_a_body_that_is_too_long() -> None:
    """`Expect: 100-continue` is answered 413 at once, and 100 where the body may come."""
    async with listening() as running:
        async with connected(running) as (reader, writer):
            writer.write(head(length=f"Content-Length: {MIB + 1}", Expect="100-continue"))
            assert (await answer(reader))[0] == 413
        async with connected(running) as (reader, writer):
            writer.write(head(event(), Expect="100-continue"))
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(event())
            assert (await answer(reader))[0] == 202


async def test_who_waits_for_an_invitation_is_refused_at_once() -> None:
    """A sender that holds its body back hears 404 without a wait for that body, and the connection ends."""
    async with listening(body_seconds=60) as running, connected(running) as (reader, writer):
        asked = head(event(), Expect="100-continue").replace(b"/webhooks/tickets", b"/webhooks/nobody")
        writer.write(asked)
        assert (await asyncio.wait_for(answer(reader), 30))[::2] == (404, True)


async def test_a_slow_body_is_cut() -> None:
    """A body that trickles is answered 408 when its time is over, and the connection ends."""
    async with listening(body_seconds=0.2) as running, connected(running) as (reader, writer):

        async def trickle() -> None:
            with suppress(ConnectionError):
                while True:
                    writer.write(b" ")
                    await writer.drain()
                    await asyncio.sleep(0.01)

        writer.write(head(length="Content-Length: 100000"))
        trickling = asyncio.create_task(trickle())
        status, said, last = await answer(reader)
        assert (status, said["error"], last) == (408, "too_slow", True)
        with suppress(ConnectionError):
            assert await reader.read() == b""
        trickling.cancel()
        assert not running.log.asked


async def test_slow_headers_are_cut() -> None:
    """Headers that never end, and a connection that says nothing, are closed when their time is over."""
    async with listening(keep_alive_seconds=0.2) as running:
        for said in (b"POST /webhooks/tickets HTTP/1.1\r\nHost: he", b""):
            async with connected(running) as (reader, writer):
                writer.write(said)
                assert await reader.read() == b""


async def test_an_idle_connection_is_cut() -> None:
    """After an answer the connection stays for the next request, and not for ever."""
    async with listening(keep_alive_seconds=0.2) as running, connected(running) as (reader, writer):
        for _ in range(2):
            writer.write(head(event()) + event())
            assert (await answer(reader))[::2] == (202, False)
        assert await reader.read() == b""


async def test_a_body_in_pieces_is_one_body() -> None:
    """However it is cut on the way, the bytes are verified and kept as one."""
    body = event()
    async with listening() as running, connected(running) as (reader, writer):
        writer.write(head(body))
        for byte in body:
            writer.write(bytes([byte]))
            await writer.drain()
        assert (await answer(reader))[0] == 202
        writer.write(head(body, length="Transfer-Encoding: chunked"))
        for byte in body:
            writer.write(b"1\r\n%c\r\n" % byte)
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        assert (await answer(reader))[0] == 202
        assert [record.value for record in running.log.records] == [body, body]


async def test_an_early_answer_is_heard_and_the_connection_lives_on() -> None:
    """A refusal before the body was read waits for it, so that the sender is not cut off in mid-sentence."""
    body = event()
    async with listening() as running, connected(running) as (reader, writer):
        writer.write(head(body).replace(b"/tickets", b"/nobody"))
        await writer.drain()
        writer.write(body)
        assert (await answer(reader))[::2] == (404, False)
        writer.write(head(body) + body)
        assert (await answer(reader))[0] == 202


async def test_a_framing_that_breaks_is_cut() -> None:
    """Chunks that turn to nonsense end the connection with a refusal, and are not logged as a fault of ours.

    aiohttp's parser does not tell a handler that waits, so that one hears of it when the body's time is over.
    """
    async with listening(body_seconds=0.2) as running, connected(running) as (reader, writer):
        writer.write(head(length="Transfer-Encoding: chunked", Expect="100-continue"))
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"marker\r\n")
        status, said, last = await answer(reader)
        assert (status, said["error"], last) in ((400, "malformed", True), (408, "too_slow", True))
        assert b"marker" not in await reader.read()
        assert not running.witness.notices
        assert not running.log.asked


@pytest.mark.parametrize(
    "junk",
    [b"marker\r\n\r\n", b"GET / HTTP/1.1\r\nmarker@: \x00\r\n\r\n", b"\x16\x03\x01marker", b"POST /marker\r\n\r\n"],
)
async def test_what_is_not_http_is_not_quoted(junk: bytes) -> None:
    """The answer and the log lines hold nothing of what was sent."""
    async with listening() as running, connected(running) as (reader, writer):
        writer.write(junk)
        writer.write_eof()
        said = await reader.read()
        assert b"marker" not in said
        assert "marker" not in str(running.witness.notices)


async def test_a_sender_who_hangs_up_early_leaves_nothing() -> None:
    """Half a body and gone: counted as such, nothing in the log, the room is free again."""
    async with listening(max_in_flight=1) as running:
        async with connected(running) as (_, writer):
            writer.write(head(event(), length="Content-Length: 1000") + event())
            await writer.drain()
        await until(lambda: running.witness.answers == {("tickets", 499): 1})
        assert not running.log.asked
        assert not running.witness.notices
        async with connected(running) as (reader, writer):
            writer.write(head(event()) + event())
            assert (await answer(reader))[0] == 202


async def test_a_sender_who_hangs_up_while_it_is_published_is_not_told_and_it_is_kept() -> None:
    """The publish goes on to its end; the sender, who heard nothing, posts it again under the same id."""
    log = FakeEventLog()
    log.open.clear()
    async with listening(log=log) as running:
        async with connected(running) as (_, writer):
            writer.write(head(event()) + event())
            await until(lambda: log.waiting == 1)
        assert not log.records
        log.open.set()
        await until(lambda: len(log.records) == 1 and sum(running.witness.answers.values()) == 1)


async def test_no_2xx_before_it_is_in_the_log() -> None:
    """While the log has not acknowledged, the sender hears nothing at all."""
    log = FakeEventLog()
    log.open.clear()
    async with listening(log=log) as running, connected(running) as (reader, writer):
        writer.write(head(event()) + event())
        await until(lambda: log.waiting == 1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await reader.read(1)
        log.open.set()
        assert (await answer(reader))[0] == 202


async def test_a_shutdown_lets_those_in_flight_finish() -> None:
    """A deployment loses no answer."""
    log = FakeEventLog()
    log.open.clear()
    async with asyncio.timeout(30):
        closed = asyncio.Event()
        async with connected_during_shutdown(log, closed) as (reader, writer):
            writer.write(head(event()) + event())
            await until(lambda: log.waiting == 1)
            closed.set()
            await asyncio.sleep(0)
            log.open.set()
            assert (await answer(reader))[0] == 202


async def test_a_shutdown_that_waits_too_long_acknowledges_nothing() -> None:
    """A publish that does not end is cut, and what was cut was not acknowledged."""
    log = FakeEventLog()
    log.open.clear()
    async with listening(log=log, shutdown_seconds=0.1) as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(head(event()) + event())
        await until(lambda: log.waiting == 1)
    try:
        async with asyncio.timeout(30):
            assert b"202" not in await reader.read()
    except ConnectionError:
        pass
    finally:
        writer.close()
    assert not log.records


@asynccontextmanager
async def connected_during_shutdown(
    log: FakeEventLog, closed: asyncio.Event
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to a webhook that shuts down once `closed` is set, while the block goes on."""
    ports: asyncio.Queue[Running] = asyncio.Queue()

    async def run() -> None:
        async with listening(log=log) as running:
            await ports.put(running)
            await closed.wait()

    serving = asyncio.create_task(run())
    async with connected(await ports.get()) as pair:
        yield pair
    await serving


async def test_above_the_bound_503_and_not_more_memory() -> None:
    """So many at once and no more; the rest hear when to come again, and those in flight are answered."""
    log = FakeEventLog()
    log.open.clear()
    body = event()
    async with (
        listening(log=log, max_in_flight=3, retry_after_seconds=7) as running,
        ClientSession(running.url) as client,
    ):

        async def post(number: int) -> tuple[int, str | None]:
            headers = signed(body, webhook_id=f"msg_{number}")
            async with client.post("/webhooks/tickets", data=body, headers=headers) as answered:
                return answered.status, answered.headers.get("Retry-After")

        first = [asyncio.create_task(post(number)) for number in range(3)]
        await until(lambda: log.waiting == 3)
        assert await asyncio.gather(*(post(number) for number in range(3, 9))) == [(503, "7")] * 6
        log.open.set()
        assert await asyncio.gather(*first) == [(202, None)] * 3
        assert await post(9) == (202, None)
        assert len(log.records) == 4


async def test_the_bytes_in_flight_are_bounded() -> None:
    """A few long bodies fill the room as many short ones do; a body of unknown length counts as the longest."""
    log, body = FakeEventLog(), event()
    chunked = head(body, length="Transfer-Encoding: chunked") + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    async with (
        listening(log=log, max_in_flight_bytes=3 * len(body), max_body_bytes=2 * len(body)) as running,
        connected(running) as (reader, writer),
        connected(running) as (other_reader, other_writer),
    ):
        for _ in range(2):  # the second time shows that the room was given back
            log.open.clear()
            writer.write(chunked)
            await until(lambda: log.waiting == 1)
            other_writer.write(chunked)
            assert (await answer(other_reader))[0] == 503
            other_writer.write(head(body) + body)
            await until(lambda: log.waiting == 2)
            log.open.set()
            assert (await answer(reader))[0] == (await answer(other_reader))[0] == 202


async def test_many_at_once_are_each_answered_for_themselves() -> None:
    """Two hundred in flight: each hears its own id, each is in the log once."""
    body = event()
    async with listening() as running, ClientSession(running.url) as client:

        async def post(number: int) -> str:
            headers = signed(body, webhook_id=f"msg_{number}")
            async with client.post("/webhooks/tickets", data=body, headers=headers) as answered:
                assert answered.status == 202
                return str((await answered.json())["id"])

        expected = [f"msg_{number}" for number in range(200)]
        assert await asyncio.gather(*map(post, range(200))) == expected
        kept = [dict(record.headers)["ce_id"].decode() for record in running.log.records]
        assert sorted(kept) == sorted(expected)
