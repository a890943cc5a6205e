"""`/composite`, `/composite/batch` and `/composite/graph`: several requests in one call.

Subrequests are run one after the other in one go, so nobody sees what is rolled back. Source: REST API guide,
"Composite", "Composite Batch", "Composite Graph".
"""

import re
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson
from aiohttp import web
from yarl import URL

from simulator.org.errors import SalesforceError, not_found
from simulator.org.gate import over_limit
from simulator.org.replies import error_reply, json_reply, read_object
from simulator.org.rest.call import Call, Resource, Resources
from simulator.org.rest.references import NAME, resolved
from simulator.org.rest.subrequest import SubRequest, headers_of

MOST_SUBREQUESTS = 25
MOST_QUERIES = 5
"""Subrequests of a composite that may be queries or Collections."""
MOST_GRAPHS, MOST_NODES = 75, 500
_INNER = ("/composite/batch", "/composite/graph", "/composite/tree")
_VERSIONED = re.compile(r"(?:/services/data/)?/?(v\d+\.\d)(/.*)")
_ROLLED_BACK = "The transaction was rolled back since another operation in the same transaction failed."


class _RolledBack(Exception):
    """Ends the database's transaction without keeping it."""


@dataclass(frozen=True, slots=True)
class _Step:
    """A subrequest as it was asked for."""

    method: str
    url: str
    reference: str
    body: Any
    headers: Mapping[str, Any]


class Composite:
    """The composite resources of one org."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def add_resources(self) -> None:
        """Serve them."""
        self._resources.add("POST", "/composite", self.composite)
        self._resources.add("POST", "/composite/batch", self.batch)
        self._resources.add("POST", "/composite/graph", self.graph)

    async def composite(self, call: Call) -> web.Response:
        """Up to 25 subrequests that may refer to each other, all or none of them if asked for."""
        body = read_object(await call.request.read())
        steps = _steps(body)
        asking = [one for one in steps if re.search(r"/query(All)?/?(\?|$)|/composite/sobjects", one.url)]
        if len(steps) > MOST_SUBREQUESTS or len(asking) > MOST_QUERIES:
            raise _too_many(f"{MOST_SUBREQUESTS} subrequests, {MOST_QUERIES} of them queries or collections")
        replies, _ = self._run(call, steps, all_or_none=body.get("allOrNone") is True)
        return json_reply({"compositeResponse": replies})

    async def graph(self, call: Call) -> web.Response:
        """Graphs of subrequests, each of which is done whole or not at all."""
        graphs = read_object(await call.request.read()).get("graphs")
        if not isinstance(graphs, list) or not all(isinstance(one, dict) for one in graphs):
            raise _malformed("graphs: a list of objects is expected")
        read = [(str(one.get("graphId", "")), _steps(one)) for one in graphs]
        ids = [graph_id for graph_id, _ in read]
        if not all(ids) or len(set(ids)) < len(ids):
            raise _malformed("each graph has a graphId of its own")
        if len(read) > MOST_GRAPHS or sum(len(steps) for _, steps in read) > MOST_NODES:
            raise _too_many(f"{MOST_GRAPHS} graphs with {MOST_NODES} nodes")
        told = []
        for graph_id, steps in read:
            replies, successful = self._run(call, steps, all_or_none=True)
            response = {"compositeResponse": replies}
            told.append({"graphId": graph_id, "graphResponse": response, "isSuccessful": successful})
        return json_reply({"graphs": told})

    async def batch(self, call: Call) -> web.Response:
        """Up to 25 subrequests that stand for themselves; each counts as a call."""
        body = read_object(await call.request.read())
        asked = body.get("batchRequests")
        if not isinstance(asked, list) or not all(isinstance(one, dict) for one in asked):
            raise _malformed("batchRequests: a list of objects is expected")
        if len(asked) > MOST_SUBREQUESTS:
            raise _too_many(f"{MOST_SUBREQUESTS} subrequests")
        steps = [
            _Step(str(one.get("method", "")), str(one.get("url", "")), "", one.get("richInput"), {}) for one in asked
        ]
        for step in steps:
            self._check_route(step)
        results: list[dict[str, Any]] = []
        halted = False
        for step in steps:
            if halted:
                error = SalesforceError("BATCH_PROCESSING_HALTED", "Batch processing halted per request", status=412)
                reply = error_reply(error)
            elif not call.org.usage.spend(step.method, "/composite/batch", call.client):
                reply = error_reply(over_limit())
            else:
                reply = self._answer(call, step, step.body)
            failed = reply.status >= HTTPStatus.BAD_REQUEST
            halted = halted or (failed and body.get("haltOnError") is True)
            results.append({"statusCode": reply.status, "result": _body(reply)})
        return json_reply(
            {"hasErrors": any(one["statusCode"] >= HTTPStatus.BAD_REQUEST for one in results), "results": results}
        )

    def _run(self, call: Call, steps: Sequence[_Step], *, all_or_none: bool) -> tuple[list[dict[str, Any]], bool]:
        """Replies in order, and whether all succeeded."""
        replies: list[dict[str, Any]] = []
        try:
            with call.org.store.transaction():
                results: dict[str, Any] = {}
                for step in steps:
                    reply = self._referring(call, step, results)
                    replies.append(_told(step, reply))
                    results[step.reference] = _body(reply)
                successful = all(one["httpStatusCode"] < HTTPStatus.BAD_REQUEST for one in replies)
                _keep(successful or not all_or_none)
        except _RolledBack:
            return [_halted(one) for one in replies], False
        return replies, successful

    def _referring(self, call: Call, step: _Step, results: Mapping[str, Any]) -> web.Response:
        try:
            url = resolved(step.url, results)
            body = resolved(step.body, results)
        except SalesforceError as error:
            return error_reply(error)
        return self._answer(call, _Step(step.method, url, step.reference, body, step.headers), body)

    def _answer(self, call: Call, step: _Step, body: Any) -> web.Response:
        """One subrequest's reply; the outer call's headers hold for it where it has none of its own."""
        try:
            resource, url, match_info = self._route(step.method, step.url)
            outer = {"Sforce-Call-Options": f"client={call.client}"} if call.client else {}
            headers = headers_of(outer, step.headers)
            request = SubRequest(step.method, url, headers, body, match_info)
            return _at_once(resource(Call(call.org, request, call.user, call.version, call.client)))
        except SalesforceError as error:
            return error_reply(error)

    def _check_route(self, step: _Step) -> None:
        """A batch with a subrequest that no resource answers fails whole."""
        try:
            self._route(step.method, step.url)
        except SalesforceError as error:
            raise _malformed(f"no such resource: {step.method} {step.url}") from error

    def _route(self, method: str, url: str) -> tuple[Resource, URL, dict[str, str]]:
        """The resource of an address, the address whole, and what its path names.

        Raises:
            SalesforceError: there is none.
        """
        found = _VERSIONED.fullmatch(url)
        parsed = URL(f"/services/data/{found[1]}{found[2]}") if found else None
        path = "" if parsed is None or found is None else parsed.path.removeprefix(f"/services/data/{found[1]}")
        inner = path.rstrip("/") == "/composite" or path.startswith(_INNER)
        route = None if parsed is None or inner else self._resources.find(method, path)
        if parsed is None or route is None:
            raise not_found()
        return route[0], parsed, route[1]


def _at_once(reply: Awaitable[web.Response]) -> web.Response:
    """The reply of a resource that waits for nothing: what it does is not done yet for anybody else."""
    try:
        next(iter(reply.__await__()))
    except StopIteration as done:
        answer: web.Response = done.value
        return answer
    raise AssertionError("a resource waited within a composite request")


def _keep(wanted: bool) -> None:
    if not wanted:
        raise _RolledBack


def _steps(body: Mapping[str, Any]) -> list[_Step]:
    """The subrequests of a composite or graph.

    Raises:
        SalesforceError: they are malformed: the whole call fails.
    """
    asked = body.get("compositeRequest")
    if not isinstance(asked, list) or not asked or not all(isinstance(one, dict) for one in asked):
        raise _malformed("compositeRequest: a list of objects is expected")
    steps = [
        _Step(
            str(one.get("method", "")),
            str(one.get("url", "")),
            str(one.get("referenceId", "")),
            one.get("body"),
            one.get("httpHeaders") or {},
        )
        for one in asked
    ]
    references = [step.reference for step in steps]
    if len(set(references)) < len(references) or not all(NAME.fullmatch(one) for one in references):
        raise _malformed("each subrequest has a referenceId of its own, of letters, digits and underscores")
    forbidden = {"accept", "authorization", "content-type"}
    if any(name.lower() in forbidden for step in steps for name in step.headers):
        raise _malformed("a subrequest's headers may not be Accept, Authorization or Content-Type")
    return steps


def _body(reply: web.Response) -> Any:
    raw = reply.body
    return orjson.loads(raw) if isinstance(raw, bytes) and raw else None


def _told(step: _Step, reply: web.Response) -> dict[str, Any]:
    location = reply.headers.get("Location")
    return {
        "body": _body(reply),
        "httpHeaders": {} if location is None else {"Location": location},
        "httpStatusCode": reply.status,
        "referenceId": step.reference,
    }


def _halted(told: Mapping[str, Any]) -> dict[str, Any]:
    """What a subrequest that succeeded is told once all was rolled back."""
    if told["httpStatusCode"] >= HTTPStatus.BAD_REQUEST:
        return dict(told)
    body = [SalesforceError("PROCESSING_HALTED", _ROLLED_BACK).of_call()]
    return dict(told) | {"body": body, "httpHeaders": {}, "httpStatusCode": 400}


def _too_many(what: str) -> SalesforceError:
    return SalesforceError("LIMIT_EXCEEDED", f"at most {what}")


def _malformed(message: str) -> SalesforceError:
    return SalesforceError("INVALID_INPUT", message)
