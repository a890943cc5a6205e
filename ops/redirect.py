"""Waits on this machine for the browser that Salesforce sends back after a consent."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from aiohttp import web

_PAGE = "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>Tandem</title></head><body><p>{}</p></body>"
_DONE = "Tandem has the answer. You may close this window."
_STRANGE = "This is not the answer to the attempt that is under way."


@asynccontextmanager
async def redirects(callback: str, is_answer: Callable[[str], bool]) -> AsyncIterator["asyncio.Future[str]"]:
    """Listens at the callback's address while the block runs; the first address that is an answer ends the wait.

    Any other request is told so and changes nothing: every page open in the browser could send one.

    Raises:
        OSError: nobody can listen there.
    """
    arrived: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    parts = urlsplit(callback)

    async def answer(request: web.Request) -> web.Response:
        # The address is in no log, and must not be in a referrer either: it holds the code.
        headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
        if arrived.done() or not is_answer(request.path_qs):
            return web.Response(text=_PAGE.format(_STRANGE), status=400, content_type="text/html", headers=headers)
        arrived.set_result(request.path_qs)
        return web.Response(text=_PAGE.format(_DONE), content_type="text/html", headers=headers)

    app = web.Application()
    app.router.add_get(parts.path or "/", answer)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, parts.hostname, parts.port or 80).start()
        yield arrived
    finally:
        await runner.cleanup()
