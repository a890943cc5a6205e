"""What the CometD server says: from the messages of one request to the frames of its reply, sessions included."""

from simulator.org.changes import ChangeBus
from simulator.org.cometd import frames
from simulator.org.cometd.channels import Channels, UnknownChannel
from simulator.org.cometd.connect import Connects
from simulator.org.cometd.delivery import AllocationExceeded, Delivery
from simulator.org.cometd.exchange import Answer, Caller
from simulator.org.cometd.faults import FaultKind, StreamFaults
from simulator.org.cometd.frames import Message
from simulator.org.cometd.sessions import Ending, Session, Sessions, Subscription
from simulator.org.cometd.settings import CometdSettings
from simulator.org.tokens import TokenStore

NEW_ONLY = -1
ALL_RETAINED = -2
_LARGEST_ID = 2**63 - 1


class Conversation:
    """The streaming endpoint without its HTTP."""

    def __init__(
        self,
        settings: CometdSettings,
        bus: ChangeBus,
        tokens: TokenStore,
        sessions: Sessions,
        *,
        delivery: Delivery,
        faults: StreamFaults,
    ) -> None:
        self._settings = settings
        self._bus = bus
        self._tokens = tokens
        self._sessions = sessions
        self._delivery = delivery
        self._faults = faults
        self._channels = Channels(settings)
        self._connects = Connects(settings, bus, tokens, sessions, delivery=delivery, faults=faults)

    async def answer(self, messages: list[Message], caller: Caller) -> Answer:
        """Every message answered; a connect last, as it may be held.

        Raises:
            ConnectionCut: the session was ended together with its connection.
            ConnectSuperseded: another connect of the session has taken this one's place.
        """
        answer = Answer()
        connects = [message for message in messages if message.get("channel") == frames.CONNECT]
        for message in messages:
            if message.get("channel") != frames.CONNECT:
                self._answer_one(message, caller, answer)
        for message in connects:
            await self._connect(message, caller, answer)
        return answer

    def _answer_one(self, message: Message, caller: Caller, answer: Answer) -> None:
        channel = message.get("channel")
        if channel == frames.HANDSHAKE:
            self._handshake(message, caller, answer)
            return
        session = self._session_of(message, caller)
        if not isinstance(session, Session):
            answer.replies.append(session)
        elif channel == frames.SUBSCRIBE:
            self._subscribe(message, session, answer)
        elif channel == frames.UNSUBSCRIBE:
            answer.replies.append(self._unsubscribe(message, session))
        elif channel == frames.DISCONNECT:
            self._sessions.end(session, Ending.LEFT)
            answer.replies.append(frames.success(message, session.client_id))
        else:
            answer.replies.append(frames.failure(message, _not_a_method(channel)))
        if isinstance(session, Session):
            session.last_reply = self._sessions.now()

    def _login_error(self, channel: str, caller: Caller) -> str | None:
        if caller.token is None:
            return frames.AUTHENTICATION_REQUIRED
        if self._tokens.valid(caller.token) is None:
            return frames.AUTHENTICATION_INVALID
        fault = self._faults.on_login(channel)
        if fault is None:
            return None
        return frames.AUTHENTICATION_INVALID if fault.kind is FaultKind.UNAUTHORIZED else fault.reason

    def _handshake(self, message: Message, caller: Caller, answer: Answer) -> None:
        settings = self._settings
        types = message.get("supportedConnectionTypes")
        reason = frames.version_error(
            caller.version, minimum=settings.minimum_version, maximum=settings.maximum_version
        ) or self._login_error(frames.HANDSHAKE, caller)
        if reason is None and (not isinstance(types, list) or frames.LONG_POLLING not in types):
            offered = ", ".join(map(str, types)) if isinstance(types, list) else str(types)
            reason = frames.invalid_connection_type(offered)
        if reason is None and len(self._sessions) >= settings.maximum_clients:
            reason = frames.TOO_MANY_CLIENTS
        user = self._tokens.valid(caller.token) if caller.token is not None else None
        if reason is not None or user is None:
            answer.replies.append(frames.handshake_denied(message, reason or frames.AUTHENTICATION_INVALID))
            return
        session = self._sessions.open(caller.browser_id, user.id)
        answer.set_browser_id = session.browser_id
        answer.replies.append(frames.handshake_success(message, session.client_id))

    def _session_of(self, message: Message, caller: Caller) -> Session | Message:
        """The session a message belongs to, or the reply that refuses it."""
        settings = self._settings
        problem = frames.version_error(
            caller.version, minimum=settings.minimum_version, maximum=settings.maximum_version
        )
        if problem is not None:
            return frames.failure(message, problem, advice=frames.ADVICE_NONE)
        channel, client_id = message.get("channel"), message.get("clientId")
        if not isinstance(channel, str):
            return frames.failure(message, frames.NO_CHANNEL_NAME)
        session = self._sessions.find(client_id) if isinstance(client_id, str) else None
        problem = self._login_error(channel, caller)
        if problem is not None:
            return self._connects.unauthorized(message, session, problem)
        if not isinstance(client_id, str) or not client_id:
            return frames.failure(message, frames.NO_HANDSHAKE, advice=frames.ADVICE_HANDSHAKE)
        if session is None:
            return frames.unknown_client(message)
        if caller.browser_id is None:
            return frames.failure(message, frames.no_cookie(client_id), advice=frames.ADVICE_HANDSHAKE)
        if caller.browser_id != session.browser_id:
            return frames.unknown_client(message)
        user = self._tokens.valid(caller.token) if caller.token is not None else None
        if user is None or user.id != session.user_id:
            return frames.failure(message, frames.WRONG_USER, advice=frames.ADVICE_HANDSHAKE)
        return session

    def _subscribe(self, message: Message, session: Session, answer: Answer) -> None:
        wanted = message.get("subscription")
        ext = message.get("ext")
        replay = ext.get("replay") if isinstance(ext, dict) else None
        asked = replay if isinstance(replay, dict) else {}
        try:
            subscriptions = [
                self._subscription(channel, asked.get(channel, NEW_ONLY) if isinstance(channel, str) else NEW_ONLY)
                for channel in (wanted if isinstance(wanted, list) else [wanted])
            ]
        except (UnknownChannel, _InvalidReplayId) as refused:
            answer.replies.append(frames.failure(message, str(refused), subscription=wanted))
            return
        session.subscriptions.update((each.channel, each) for each in subscriptions)
        if self._settings.events_on_subscribe_reply:
            self._take_quietly(session, answer)
        answer.replies.append(frames.success(message, session.client_id, subscription=wanted))
        session.wake()

    def _take_quietly(self, session: Session, answer: Answer) -> None:
        """Events for a subscribe reply; an exceeded allocation is told on the connect that follows."""
        try:
            answer.events += self._delivery.take(session)
        except AllocationExceeded:
            return

    def _subscription(self, channel: object, replay_id: object) -> Subscription:
        entities = self._channels.entities(channel)
        return Subscription(str(channel), entities, self._cursor(replay_id))

    def _cursor(self, value: object) -> int | None:
        replay_id = _replay_id(value)
        if replay_id == NEW_ONLY:
            return self._bus.latest()
        if replay_id == ALL_RETAINED:
            return None
        if replay_id is None or not 0 <= replay_id <= _LARGEST_ID or not self._bus.knows(replay_id):
            raise _InvalidReplayId(frames.invalid_replay_id(value))
        return replay_id

    @staticmethod
    def _unsubscribe(message: Message, session: Session) -> Message:
        wanted = message.get("subscription")
        for channel in wanted if isinstance(wanted, list) else [wanted]:
            if not isinstance(channel, str) or not channel:
                return frames.failure(message, frames.NO_CHANNEL_NAME)
            session.subscriptions.pop(channel, None)
        return frames.success(message, session.client_id, subscription=wanted)

    async def _connect(self, message: Message, caller: Caller, answer: Answer) -> None:
        session = self._session_of(message, caller)
        if not isinstance(session, Session):
            answer.replies.append(session)
            return
        kind = message.get("connectionType")
        if kind != frames.LONG_POLLING:
            answer.replies.append(frames.failure(message, frames.invalid_connection_type(kind)))
            return
        await self._connects.answer(session, message, caller, answer)


class _InvalidReplayId(Exception):
    pass


def _replay_id(value: object) -> int | None:
    """A number, or a text that is one; nothing for all else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str) and value.removeprefix("-").isdecimal():
        return int(value)
    return None


def _not_a_method(channel: object) -> str:
    if not isinstance(channel, str) or not channel:
        return frames.NO_CHANNEL_NAME
    return frames.UNKNOWN_CHANNEL if channel.startswith("/meta/") else frames.PUBLISH_DENIED
