"""One Bayeux session over long-polling: it starts, subscribes, polls and ends, and is never repaired.

Any reply that may be lost ends it (rule 1): the server may have emptied its queue into that reply, and a second connect
would go on behind the hole.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import NoReturn

import aiohttp
import orjson

from listener.changes import bayeux
from listener.changes.bayeux import Advice, BadReply, Delivery, Ending, Message, MetaReply, Refusal, Reply
from listener.changes.settings import ChangesSettings
from schemas.session import Session
from schemas.stream import ReplayId

Deliver = Callable[[tuple[Delivery, ...]], None]
"""Takes the events of one good reply, often none. It must not wait."""

_GOODBYE_SECONDS = 2.0


class SessionOver(Exception):
    """The session has ended. `at_least` is the pause that the server advised, in seconds."""

    def __init__(self, ending: Ending, detail: str, at_least: float = 0.0) -> None:
        super().__init__(f"{ending}: {detail}")
        self.ending = ending
        self.at_least = at_least


class BayeuxSession:
    """Its requests follow one another: handshake, connect, subscribe, then connect for as long as it lives.

    Every method but `disconnect` raises SessionOver, after which only `disconnect` may be called. The events of a reply
    are delivered before anything else in it is judged.
    """

    def __init__(
        self, http: aiohttp.ClientSession, login: Session, settings: ChangesSettings, deliver: Deliver
    ) -> None:
        """`http` must be this session's own: its cookies bind it to a node of the org."""
        self._http = http
        self._url = f"{login.instance_url}/cometd/{settings.api_version}"
        self._headers = {"Authorization": f"Bearer {login.access_token}", "Content-Type": "application/json"}
        self._settings = settings
        self._deliver = deliver
        self._requests = 0
        self._client_id = ""
        self.advice = Advice()

    @property
    def silence_limit(self) -> float:
        """How long a poll may be silent, in seconds: the server's hold and the slack."""
        return self.advice.timeout / 1000 + self._settings.poll_slack_seconds

    async def handshake(self) -> None:
        """Begin."""
        request_id = self._next_id()
        reply = await self._ask([bayeux.handshake(request_id)], self._settings.request_seconds)
        answer = self._answer(reply, request_id)
        self.advice = self.advice.merged(answer.advice)
        if not answer.successful or not answer.client_id:
            self._over(bayeux.ending_of(answer, self.advice), answer.why)
        if not answer.replays:
            # Without the extension the server would leave the position unread, and a hole untold.
            self._over(Ending.REFUSED, "the server does not offer replay")
        self._client_id = answer.client_id

    async def subscribe(self, after: Mapping[str, ReplayId]) -> dict[str, Refusal]:
        """Subscribe to each channel after its replay id; the channels that were refused, and why."""
        asked = {self._next_id(): channel for channel in after}
        messages = [
            bayeux.subscribe(request_id, self._client_id, channel, after[channel])
            for request_id, channel in asked.items()
        ]
        reply = await self._ask(messages, self._settings.request_seconds)
        refused: dict[str, Refusal] = {}
        for request_id, channel in asked.items():
            answer = self._answer(reply, request_id)
            if answer.successful:
                self.advice = self.advice.merged(answer.advice)
                continue
            error = answer.error or Refusal(0, "", "refused without a reason")
            if bayeux.ends_session(answer):
                self._over(bayeux.ending_of(answer, self.advice), answer.why)
            refused[channel] = error
        return refused

    async def connect(self, *, at_once: bool = False) -> None:
        """Poll once: return when the server answers. `at_once` asks it not to hold the request."""
        request_id = self._next_id()
        message = bayeux.connect(request_id, self._client_id, at_once=at_once)
        answer = self._answer(await self._ask([message], self.silence_limit), request_id)
        self.advice = self.advice.merged(answer.advice)
        if not answer.successful:
            self._over(bayeux.ending_of(answer, self.advice), answer.why)
        if self.advice.reconnect == "handshake":
            self._over(Ending.UNKNOWN, "a new handshake is advised")
        if self.advice.reconnect == "none":
            self._over(Ending.REFUSED, "no reconnect is advised")

    async def disconnect(self) -> None:
        """Say goodbye if the server knows us, so that it counts one client less. Never fails."""
        if not self._client_id:
            return
        message = bayeux.disconnect(self._next_id(), self._client_id)
        self._client_id = ""
        try:
            async with asyncio.timeout(min(_GOODBYE_SECONDS, self._settings.request_seconds)):
                await self._post([message], _GOODBYE_SECONDS)
        except (SessionOver, TimeoutError):
            # Nothing is lost: the server forgets an unpolled session by itself.
            return

    def _next_id(self) -> str:
        self._requests += 1
        return str(self._requests)

    def _answer(self, reply: Reply, request_id: str) -> MetaReply:
        try:
            return reply.to(request_id)
        except BadReply as error:
            self._lost(str(error))

    async def _ask(self, messages: list[Message], silence: float) -> Reply:
        body = await self._post(messages, silence)
        try:
            reply = bayeux.read_reply(body)
        except BadReply as error:
            self._lost(str(error))
        self._deliver(reply.deliveries)
        for meta in reply.meta:
            if meta.channel == bayeux.DISCONNECT:
                self._over(Ending.LOGIN if bayeux.asks_for_login(meta) else Ending.SENT_AWAY, meta.why)
        return reply

    async def _post(self, messages: list[Message], silence: float) -> bytes:
        """The body of the reply. `silence` is how long nothing at all may come, in seconds."""
        timeout = aiohttp.ClientTimeout(
            total=silence + self._settings.body_seconds,
            sock_connect=self._settings.request_seconds,
            sock_read=silence,
        )
        try:
            async with self._http.post(
                self._url,
                data=orjson.dumps(messages),
                headers=self._headers,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                if response.status == 401:
                    self._over(Ending.LOGIN, "HTTP 401")
                if response.status != 200:
                    self._lost(f"HTTP {response.status}")
                return await self._read(response)
        except TimeoutError:
            self._lost(f"no answer within {silence:g} s")
        except (aiohttp.ClientError, OSError) as error:
            self._lost(type(error).__name__)

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > self._settings.max_reply_bytes:
                self._lost(f"a reply over CHANGES_MAX_REPLY_BYTES ({self._settings.max_reply_bytes})")
        return bytes(body)

    def _lost(self, detail: str) -> NoReturn:
        self._over(Ending.LOST, detail)

    def _over(self, ending: Ending, detail: str) -> NoReturn:
        if ending not in (Ending.BUSY, Ending.DELIVERIES, Ending.REFUSED):
            self._client_id = ""
        raise SessionOver(ending, detail, at_least=self.advice.interval / 1000) from None
