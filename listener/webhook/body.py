"""Reading a body that may be too long, too slow, or never end."""

import asyncio

from aiohttp import web
from aiohttp.http import HttpVersion11

from listener.webhook.answers import CLIENT_GONE, Refusal


async def read(request: web.BaseRequest, *, limit: int, seconds: float) -> bytes:
    """The body as it was sent, byte for byte.

    Raises:
        Refusal: 413 longer than `limit` bytes, 408 not whole after `seconds`, 400 not well-formed HTTP, 499 the sender
            hung up. After 413 and 408 nothing more is read from the connection.
    """
    content = request.content
    if content.is_eof() and content.exception() is None:
        whole = content.read_nowait()  # it came along with the headers, as a short one does: no timer is needed
        if len(whole) > limit:
            raise too_long(request, limit)
        return whole
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            await _invite(request)
            while chunk := await content.readany():
                body += chunk
                if len(body) > limit:
                    raise too_long(request, limit)
    except TimeoutError:
        stop_reading(request)
        raise Refusal(408, "too_slow", f"the body was not whole after {seconds:g} s", last=True) from None
    except ConnectionError:
        raise Refusal(CLIENT_GONE, "gone", last=True) from None
    except web.RequestPayloadError:
        raise Refusal(400, "malformed", "the body is not well-formed HTTP", last=True) from None
    return bytes(body)


async def discard(request: web.BaseRequest, *, limit: int, seconds: float) -> bool:
    """Take a body off the wire unkept, so that the sender hears an answer that came early; False if it did not end."""
    if _waits_for_invitation(request):
        return False  # it sends nothing before it hears something: the answer comes at once
    content, taken = request.content, 0
    try:
        async with asyncio.timeout(seconds):
            while chunk := await content.readany():
                taken += len(chunk)
                if taken > limit:
                    break
            else:
                return True
    except (TimeoutError, ConnectionError, web.RequestPayloadError):
        pass  # the connection is closed either way
    stop_reading(request)
    return False


def too_long(request: web.BaseRequest, limit: int) -> Refusal:
    """The refusal of a body longer than `limit`; what is left of it stays unread."""
    stop_reading(request)
    return Refusal(413, "too_large", f"a body may have at most {limit} bytes", last=True)


def stop_reading(request: web.BaseRequest) -> None:
    """Read nothing more from this connection.

    The transport is paused, rather than closed at once, because closing with unread bytes resets the connection and
    could take the answer with it; the server closes it after the time it lingers. aiohttp resumes only what it paused
    itself, so what it has buffered goes first.
    """
    content = request.content
    if content.exception() is None:
        content.read_nowait()
    if request.transport is not None:
        request.transport.pause_reading()


async def _invite(request: web.BaseRequest) -> None:
    """Answer `Expect: 100-continue`: only now is the body wanted."""
    if _waits_for_invitation(request):
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer itself has not begun


def _waits_for_invitation(request: web.BaseRequest) -> bool:
    return request.version >= HttpVersion11 and request.headers.get("Expect", "").lower() == "100-continue"
