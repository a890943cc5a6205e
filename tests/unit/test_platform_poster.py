"""Webhooks out: signed as others verify, and never to an address inside."""

import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver
from standardwebhooks.webhooks import Webhook

from adapters.platform.addresses import AddressRefused, Guard, GuardedResolver, UnfitUrl, networks
from adapters.platform.poster import open_poster, resolves
from adapters.platform.settings import DeliverSettings
from listener.webhook.signature import decode_secret

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEWER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
NOW = 1_700_000_000_000
LOOPBACK = Guard(networks("127.0.0.0/8"))
NOWHERE = Guard()


class Names(AbstractResolver):
    """Resolves every name to the addresses that are next, and counts how often it is asked."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> list[Any]:
        self.asked += 1
        addresses = self.answers[min(self.asked, len(self.answers)) - 1]
        return [
            {"hostname": host, "host": each, "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}
            for each in addresses
        ]

    async def close(self) -> None:
        """Nothing to let go."""


@asynccontextmanager
async def receiver(status: int = 200, headers: dict[str, str] | None = None) -> AsyncIterator[tuple[int, list[Any]]]:
    """A server on the loopback: its port, and headers and body of what came."""
    got: list[Any] = []

    async def take(request: web.Request) -> web.Response:
        got.append((dict(request.headers), await request.read()))
        return web.Response(status=status, headers=headers)

    app = web.Application()
    app.router.add_post("/hook", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    try:
        yield site._server.sockets[0].getsockname()[1], got  # type: ignore[attr-defined]
    finally:
        await runner.cleanup()


async def post(
    url: str,
    guard: Guard = LOOPBACK,
    *,
    lookup: AbstractResolver | None = None,
    seconds: float = 20,
    now: int = NOW,
    traceparent: str = "",
) -> Any:
    keys = (decode_secret(NEWER), decode_secret(SECRET))
    names = lookup or Names(["127.0.0.1"])
    async with open_poster(keys, guard, seconds=seconds, at_once=4, now=lambda: now, lookup=lambda: names) as poster:
        return await poster.post(url, "told_1", b'{"type":"customer.changed"}', traceparent)


async def test_a_foreign_library_verifies_it_with_either_secret() -> None:
    """`standardwebhooks`, which nobody here wrote."""
    async with receiver() as (port, got):
        answer = await post(f"http://127.0.0.1:{port}/hook", now=time.time_ns() // 1_000_000)
    assert answer.status == 200
    ((headers, body),) = got
    assert headers["webhook-id"] == "told_1"
    for secret in (SECRET, NEWER):
        assert Webhook(secret).verify(body, {name.lower(): value for name, value in headers.items()})


async def test_the_platform_is_told_which_trace_it_belongs_to() -> None:
    """W3C Trace Context, where there is a trace and no header where there is none."""
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with receiver() as (port, got):
        for traceparent in ("", trace):
            await post(f"http://127.0.0.1:{port}/hook", traceparent=traceparent)
    assert [headers.get("traceparent") for headers, _body in got] == [None, trace]


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    """Else a friendly address could lead inside."""
    async with receiver() as (inside, got), receiver(302, {"location": f"http://127.0.0.1:{inside}/hook"}) as (port, _):
        answer = await post(f"http://127.0.0.1:{port}/hook")
    assert (answer.status, answer.why) == (302, "http_302")
    assert got == []


async def test_retry_after_is_read_in_both_forms() -> None:
    """Seconds, or a date."""
    async with receiver(429, {"retry-after": "120"}) as (port, _):
        assert (await post(f"http://127.0.0.1:{port}/hook")).retry_after == 120
    async with receiver(503, {"retry-after": "Tue, 14 Nov 2023 22:14:20 GMT"}) as (port, _):
        assert (await post(f"http://127.0.0.1:{port}/hook")).retry_after == 60


async def test_nobody_listening_and_nobody_answering_are_told_apart() -> None:
    """Neither raises."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        assert (await post(f"http://127.0.0.1:{port}/hook")).why == "no_connection"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert (await post(f"http://127.0.0.1:{port}/hook", seconds=0.2)).why == "timeout"


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/hook",
        "https://[::1]/hook",
        "https://[::ffff:127.0.0.1]/hook",
        "https://[64:ff9b::7f00:1]/hook",
        "https://[2002:7f00:1::]/hook",
        "https://10.0.0.8/hook",
        "https://172.16.3.4/hook",
        "https://192.168.1.1/hook",
        "https://169.254.169.254/latest/meta-data",
        "https://[fe80::1]/hook",
        "https://[fd00::1]/hook",
        "https://100.64.0.1/hook",
        "https://0.0.0.0/hook",
        "https://224.0.0.1/hook",
        "http://example.com/hook",
        "ftp://example.com/hook",
        "https://user:word@example.com/hook",
        "https://example.com/hook#part",
        "https://exa mple.com/",
        "https:///hook",
        "https://example.com:99999/",
    ],
)
async def test_a_url_that_leads_inside_or_is_none_is_refused(url: str) -> None:
    """When it is set, and again when it is posted to."""
    with pytest.raises(UnfitUrl):
        NOWHERE.check_url(url)
    assert (await post(url, NOWHERE)).why == "address_refused"


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.0.9", "0.0.0.0"])
async def test_a_name_that_resolves_inside_is_refused(address: str) -> None:
    """At the time of setting, and of each connection."""
    with pytest.raises(UnfitUrl):
        await resolves("https://hook.example.com/", NOWHERE, Names([address]), 5)
    assert (await post("https://hook.example.com/", NOWHERE, lookup=Names([address]))).why == "address_refused"


async def test_the_address_connected_to_is_the_one_checked() -> None:
    """A name that leads outside when it is set and inside afterwards (DNS rebinding) is refused at the connection."""
    names = Names(["93.184.216.34"], ["127.0.0.1"])
    await resolves("https://hook.example.com/", NOWHERE, names, 5)
    async with receiver() as (port, got):
        assert (await post(f"https://hook.example.com:{port}/", NOWHERE, lookup=names)).why == "address_refused"
    assert (names.asked, got) == (2, [])


async def test_of_several_addresses_only_those_outside_are_left() -> None:
    """An attacker's record with one good and one bad address."""
    resolver = GuardedResolver(Names(["10.0.0.1", "93.184.216.34"]), NOWHERE)
    assert [each["host"] for each in await resolver.resolve("hook.example.com")] == ["93.184.216.34"]


async def test_plain_http_goes_to_named_networks_alone() -> None:
    """Also where the setting names some network: a name that leads elsewhere is not posted to without TLS."""
    resolver = GuardedResolver(Names(["93.184.216.34"]), LOOPBACK, named_only=True)
    with pytest.raises(AddressRefused):
        await resolver.resolve("hook.example.com")
    with pytest.raises(UnfitUrl):
        LOOPBACK.check_url("http://93.184.216.34/")
    LOOPBACK.check_url("http://127.0.0.1:8080/hook")


def test_settings_that_cannot_work_are_told() -> None:
    """A URL without a secret, one that leads inside, a network that is none."""
    for given in (
        {"url": "https://example.com/hook"},
        {"url": "https://127.0.0.1/hook", "secrets": SECRET},
        {"allowed_networks": "loopback"},
        {"secrets": "whsec_short"},
    ):
        with pytest.raises(ValueError, match=r"DELIVER_|networks"):
            DeliverSettings(**given)
    assert len(DeliverSettings(secrets=f"{SECRET}, {NEWER}").keys()) == 2
