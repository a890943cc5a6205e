"""`/admin/stream`: the stream's faults for those outside the process. Actions are JSON objects named by `action`."""

from functools import partial
from typing import Annotated, Literal

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from simulator.org.cometd.endpoint import Cometd
from simulator.org.cometd.faults import StreamFault, StreamFaults


class _Action(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Arm(_Action):
    """Arm a fault."""

    action: Literal["arm"]
    fault: StreamFault

    def apply(self, faults: StreamFaults) -> int:
        """Do it."""
        faults.arm(self.fault)
        return 1


class Clear(_Action):
    """Disarm everything."""

    action: Literal["clear"]

    def apply(self, faults: StreamFaults) -> int:
        """Do it; how many were armed."""
        count = len(faults.armed())
        faults.clear()
        return count


class Reseed(_Action):
    """Start the chances anew."""

    action: Literal["reseed"]
    seed: int

    def apply(self, faults: StreamFaults) -> int:
        """Do it."""
        faults.reseed(self.seed)
        return 1


class ForgetSessions(_Action):
    """Restart: all sessions are unknown."""

    action: Literal["forget_sessions"]
    cut: bool = False

    def apply(self, faults: StreamFaults) -> int:
        """Do it; how many there were."""
        return faults.forget_sessions(cut=self.cut)


class ForgetReplayIds(_Action):
    """Every replay id so far has expired."""

    action: Literal["forget_replay_ids"]

    def apply(self, faults: StreamFaults) -> int:
        """Do it."""
        faults.forget_replay_ids()
        return 1


class DisconnectClients(_Action):
    """A server-sent `/meta/disconnect`."""

    action: Literal["disconnect_clients"]
    advice: Literal["none", "handshake"] | None = "none"

    def apply(self, faults: StreamFaults) -> int:
        """Do it; how many there were."""
        return faults.disconnect_clients(self.advice)


class AdviceInterval(_Action):
    """`advice.interval` from now on."""

    action: Literal["advice_interval"]
    milliseconds: int = Field(ge=0)

    def apply(self, faults: StreamFaults) -> int:
        """Do it."""
        faults.advice_interval_ms = self.milliseconds
        return 1


Action = Annotated[
    Arm | Clear | Reseed | ForgetSessions | ForgetReplayIds | DisconnectClients | AdviceInterval,
    Field(discriminator="action"),
]
_ACTIONS: TypeAdapter[Action] = TypeAdapter(Action)


def add_routes(app: web.Application, cometd: Cometd) -> None:
    """Serve the stream and its admin routes, and let go of held connects when the application shuts down."""
    for path in ("/cometd", "/cometd/", "/cometd/{version}", "/cometd/{version}/"):
        app.router.add_post(path, cometd.post)
    app.router.add_get("/admin/stream", partial(_show, cometd))
    app.router.add_post("/admin/stream", partial(_act, cometd))
    app.on_shutdown.append(cometd.stop)


async def _show(cometd: Cometd, _request: web.Request) -> web.Response:
    """What is armed, what has struck, who is there."""
    return _json(
        {
            "armed": [fault.model_dump(mode="json") | {"left": left} for fault, left in cometd.faults.armed()],
            "struck": dict(cometd.faults.struck),
            "lost_events": cometd.faults.lost_events,
            "advice_interval_ms": cometd.faults.advice_interval_ms,
            "sessions": len(cometd.sessions),
            "requests": cometd.requests,
            "delivered": cometd.delivered,
            "deliveries_left": cometd.allocation.remaining(),
        }
    )


async def _act(cometd: Cometd, request: web.Request) -> web.Response:
    try:
        action = _ACTIONS.validate_json(await request.read())
    except ValidationError as error:
        problem = error.json(include_input=False, include_url=False)
        return web.Response(status=400, text=problem, content_type="application/json")
    return _json({"affected": action.apply(cometd.faults)})


def _json(content: object) -> web.Response:
    return web.Response(body=orjson.dumps(content), content_type="application/json")
