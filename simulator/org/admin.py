"""`/admin`: what only the org's makers can do and see. No login; served to this machine alone."""

import re
from typing import Any, Literal, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, TypeAdapter, ValidationError

from simulator.org.connected_app import AppPolicy
from simulator.org.duplicates import DuplicateRule
from simulator.org.edits import Edits, make_edits
from simulator.org.errors import SalesforceError, not_found
from simulator.org.faults import Fault
from simulator.org.org import Org
from simulator.org.replies import json_reply, read_json, read_object
from simulator.org.rest.records import RecordView
from simulator.org.triggers import TriggerRule

_MOST_AT_A_TIME = 10_000

_Model = TypeVar("_Model", bound=BaseModel)


class Gap(BaseModel):
    """A gap or overflow event to put on the bus."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    entity: str = "Contact"
    type: Literal["GAP_CREATE", "GAP_UPDATE", "GAP_DELETE", "GAP_UNDELETE", "GAP_OVERFLOW"]
    record_ids: list[str] = Field(min_length=1)


class _Hold(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    ids: list[str] = Field(min_length=1)
    ms: NonNegativeInt


class _Revoke(BaseModel):
    token: str | None = None
    refresh_tokens: bool = False


class _Expire(BaseModel):
    up_to: int | None = None


class Admin:
    """The admin endpoints of one org."""

    def __init__(self, org: Org) -> None:
        self._org = org

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Serve them."""
        router.add_get("/admin/commits", self.commits)
        router.add_get("/admin/behind", self.behind)
        router.add_get("/admin/records/{sobject}", self.records)
        router.add_get("/admin/calls", self.calls)
        router.add_post("/admin/edits", self.edits)
        router.add_get("/admin/triggers", self.triggers)
        router.add_post("/admin/triggers", self.add_trigger)
        router.add_delete("/admin/triggers", self.remove_triggers)
        router.add_delete("/admin/triggers/{id:[0-9]+}", self.remove_triggers)
        router.add_get("/admin/limits", self.limits)
        router.add_post("/admin/limits", self.leave)
        router.add_get("/admin/duplicate_rules", self.duplicate_rules)
        router.add_post("/admin/duplicate_rules", self.add_duplicate_rule)
        router.add_delete("/admin/duplicate_rules", self.remove_duplicate_rules)
        router.add_get("/admin/faults", self.faults)
        router.add_post("/admin/faults", self.add_fault)
        router.add_delete("/admin/faults", self.remove_faults)
        router.add_delete("/admin/faults/{id:[0-9]+}", self.remove_faults)
        router.add_get("/admin/locks", self.locks)
        router.add_post("/admin/locks", self.hold)
        router.add_post("/admin/gaps", self.gap)
        router.add_post("/admin/tokens/revoke", self.revoke)
        router.add_get("/admin/app", self.app)
        router.add_post("/admin/app", self.change_app)
        router.add_post("/admin/replay/expire", self.expire)

    async def commits(self, request: web.Request) -> web.Response:
        """The commit log after a number, in order: a JSON list."""
        entries = self._org.store.logged(_number(request, "after", 0), _limit(request))
        return web.Response(body=b"[" + b",".join(entries) + b"]", content_type="application/json")

    async def behind(self, request: web.Request) -> web.Response:
        """How many events of the selected objects come after a replay id, and the number of the last commit."""
        after = _number(request, "after", 0)
        waiting = self._org.bus.count_after(after, self._org.settings.cometd.entities)
        return json_reply({"waiting": waiting, "last_commit": self._org.store.last_commit()[0]})

    async def records(self, request: web.Request) -> web.Response:
        """Whole records after an id, in id order; deleted ones too with `deleted=true`."""
        definition = self._org.objects.get(request.match_info["sobject"])
        if definition is None:
            raise not_found()
        deleted = request.query.get("deleted", "").lower() == "true"
        rows = self._org.store.page(definition, request.query.get("after", ""), _limit(request), deleted=deleted)
        view = RecordView(definition, definition.columns, "")
        return json_reply([view.render(row) for row in rows])

    async def calls(self, _request: web.Request) -> web.Response:
        """API calls by verb, resource and client mark."""
        usage = self._org.usage
        calls = [
            {"verb": verb, "resource": resource, "client": client, "count": count}
            for (verb, resource, client), count in sorted(usage.calls.items())
        ]
        return json_reply({"used": usage.used(), "daily": usage.daily, "calls": calls})

    async def edits(self, request: web.Request) -> web.Response:
        """Edits by a user: one, a list, or `{user, edits, …}`."""
        body = read_json(await request.read())
        if isinstance(body, dict) and "edits" not in body:
            around = {name: body.pop(name) for name in ("user", "origin") if name in body}
            body = around | {"edits": [body]}
        elif isinstance(body, list):
            body = {"edits": body}
        return json_reply(make_edits(self._org, _valid(Edits, body)))

    async def triggers(self, _request: web.Request) -> web.Response:
        """The rules in force."""
        triggers = self._org.triggers
        return json_reply([one.model_dump(mode="json") | {"fired": triggers.fired(one.id)} for one in triggers.rules()])

    async def add_trigger(self, request: web.Request) -> web.Response:
        """Put a rule in force."""
        rule = _valid(TriggerRule, read_json(await request.read()))
        return json_reply(self._org.add_trigger(rule).model_dump(mode="json"), 201)

    async def remove_triggers(self, request: web.Request) -> web.Response:
        """Take one rule out, or all."""
        return json_reply({"removed": self._org.triggers.remove(_id(request))})

    async def limits(self, _request: web.Request) -> web.Response:
        """What is left of each allocation, without costing a call."""
        return json_reply({name: one.shown() for name, one in self._org.allocations.items()})

    async def leave(self, request: web.Request) -> web.Response:
        """Set what is left of allocations, by name."""
        wanted = TypeAdapter(dict[str, NonNegativeInt])
        try:
            left = wanted.validate_python(read_json(await request.read()))
        except ValidationError as problem:
            raise SalesforceError("INVALID_ARGUMENT", "numbers by the names of allocations are expected") from problem
        unknown = sorted(left.keys() - self._org.allocations.keys())
        if unknown:
            raise SalesforceError("INVALID_ARGUMENT", f"no such allocation: {', '.join(unknown)}")
        for name, number in left.items():
            self._org.allocations[name].leave(number)
        return await self.limits(request)

    async def duplicate_rules(self, _request: web.Request) -> web.Response:
        """The duplicate rules in force."""
        return json_reply([one.model_dump(mode="json") for one in self._org.rules.duplicates])

    async def add_duplicate_rule(self, request: web.Request) -> web.Response:
        """Put a duplicate rule in force."""
        rule = _valid(DuplicateRule, read_json(await request.read()))
        return json_reply(self._org.add_duplicate_rule(rule).model_dump(mode="json"), 201)

    async def remove_duplicate_rules(self, _request: web.Request) -> web.Response:
        """Take all duplicate rules out."""
        removed = len(self._org.rules.duplicates)
        self._org.rules.duplicates.clear()
        return json_reply({"removed": removed})

    async def faults(self, _request: web.Request) -> web.Response:
        """The faults that can still strike."""
        return json_reply([one.model_dump(mode="json") for one in self._org.faults.planted()])

    async def add_fault(self, request: web.Request) -> web.Response:
        """Plant a fault."""
        fault = _valid(Fault, read_json(await request.read()))
        try:
            planted = self._org.faults.plant(fault)
        except re.error as problem:
            raise SalesforceError("INVALID_ARGUMENT", f"path: {problem}") from problem
        return json_reply(planted.model_dump(mode="json"), 201)

    async def remove_faults(self, request: web.Request) -> web.Response:
        """Take one fault out, or all."""
        return json_reply({"removed": self._org.faults.remove(_id(request))})

    async def gap(self, request: web.Request) -> web.Response:
        """Put a gap or overflow event on the bus."""
        gap = _valid(Gap, read_json(await request.read()))
        change = self._org.ledger.publish_gap(gap.entity, gap.type, gap.record_ids, self._org.api_user)
        return json_reply({"replay_id": change.replay_id}, 201)

    async def locks(self, request: web.Request) -> web.Response:
        """How many calls found a record held by another, and how many rows waited for one in vain."""
        return json_reply({"met": self._org.locks.met, "refused": self._org.locks.refused})

    async def hold(self, request: web.Request) -> web.Response:
        """Hold records as another's long transaction does; answered when it is over."""
        held = _valid(_Hold, read_json(await request.read()))
        await self._org.locks.hold(held.ids, held.ms / 1000)
        return await self.locks(request)

    async def revoke(self, request: web.Request) -> web.Response:
        """End one token's life, or all; refresh tokens too where that is said."""
        wanted = _valid(_Revoke, read_json(await request.read() or b"{}"))
        tokens, refresh_tokens = self._org.tokens, self._org.refresh_tokens
        if wanted.token is not None:
            return json_reply({"revoked": int(tokens.revoke(wanted.token) or refresh_tokens.revoke(wanted.token))})
        ended = refresh_tokens.revoke_all() if wanted.refresh_tokens else 0
        return json_reply({"revoked": tokens.revoke_all() + ended})

    async def app(self, _request: web.Request) -> web.Response:
        """How the app is set up."""
        return json_reply(self._org.app.policy.model_dump(mode="json"))

    async def change_app(self, request: web.Request) -> web.Response:
        """Set some of it up anew, as an admin does in Setup."""
        changes = read_object(await request.read())
        policy = _valid(AppPolicy, self._org.app.policy.model_dump() | changes)
        self._org.app.policy = policy
        return json_reply(policy.model_dump(mode="json"))

    async def expire(self, request: web.Request) -> web.Response:
        """Expire change events up to a replay id, or all."""
        wanted = _valid(_Expire, read_json(await request.read() or b"{}"))
        return json_reply({"expired": self._org.bus.forget(wanted.up_to)})


def _valid(model: type[_Model], body: Any) -> _Model:
    try:
        return model.model_validate(body)
    except ValidationError as problem:
        told = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in problem.errors())
        raise SalesforceError("INVALID_ARGUMENT", told) from problem


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not text.isdigit():
        raise SalesforceError("INVALID_ARGUMENT", f"{name}: a number is expected")
    return int(text)


def _limit(request: web.Request) -> int:
    return min(_number(request, "limit", 1000), _MOST_AT_A_TIME)


def _id(request: web.Request) -> int | None:
    text = request.match_info.get("id")
    return None if text is None else int(text)
