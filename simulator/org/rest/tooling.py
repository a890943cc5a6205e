"""The Tooling API as far as it tells which change events are switched on: two objects, whole, without conditions.

Source: "Get Custom Channels and Channel Members" in the Change Data Capture guide. That a custom channel is named by
its id and the standard one by its name is as that page shows it.
"""

import re
from collections.abc import Iterator
from typing import Any

from aiohttp import web

from simulator.org import ids
from simulator.org.cometd.channels import change_channel
from simulator.org.cometd.settings import CometdSettings
from simulator.org.errors import SalesforceError
from simulator.org.replies import json_reply
from simulator.org.rest.call import Call, Resources
from simulator.org.soql.parse import malformed

_QUERY = re.compile(r"\s*SELECT\s+(?P<fields>[\w\s,]+?)\s+FROM\s+(?P<sobject>\w+)\s*", re.IGNORECASE)
_STANDARD = "ChangeEvents"


def add_resources(resources: Resources) -> None:
    """Serve it."""
    resources.add("GET", "/tooling/query", query)


async def query(call: Call) -> web.Response:
    """Rows of PlatformEventChannel or PlatformEventChannelMember."""
    found = _QUERY.fullmatch(call.request.query.get("q", ""))
    if found is None:
        raise malformed("only a plain SELECT is understood here")
    sobject = found["sobject"]
    rows = _rows(call.org.settings.cometd, sobject)
    fields = [field.strip() for field in found["fields"].split(",")]
    unknown = [field for field in fields if any(field not in row for row in rows)]
    if unknown:
        raise SalesforceError("INVALID_FIELD", f"No such column '{unknown[0]}' on entity '{sobject}'.")
    records = [_record(call, sobject, row, fields) for row in rows]
    return json_reply({"size": len(records), "totalSize": len(records), "done": True, "records": records})


def _record(call: Call, sobject: str, row: dict[str, Any], fields: list[str]) -> dict[str, Any]:
    url = f"{call.root}/tooling/sobjects/{sobject}/{row['Id']}"
    return {"attributes": {"type": sobject, "url": url}, **{field: row[field] for field in fields}}


def _rows(settings: CometdSettings, sobject: str) -> list[dict[str, Any]]:
    channels = {name: ids.encode("0YL", place) for place, name in enumerate(settings.custom_channels, start=1)}
    if sobject == "PlatformEventChannel":
        return [
            {"Id": record_id, "DeveloperName": name.removesuffix("__chn"), "ChannelType": "data"}
            for name, record_id in channels.items()
        ]
    if sobject == "PlatformEventChannelMember":
        return list(_members(settings, channels))
    raise SalesforceError("INVALID_TYPE", f"sObject type '{sobject}' is not supported.")


def _members(settings: CometdSettings, channels: dict[str, str]) -> Iterator[dict[str, Any]]:
    selected = [(_STANDARD, _STANDARD, name) for name in settings.entities]
    selected += [(name, channels[name], entity) for name, all_ in settings.custom_channels.items() for entity in all_]
    for place, (channel, reference, sobject) in enumerate(selected, start=1):
        event = change_channel(sobject).removeprefix("/data/")
        yield {
            "Id": ids.encode("0v8", place),
            "DeveloperName": f"{channel}_{event}".replace("__", "_"),
            "EventChannel": reference,
            "SelectedEntity": event,
        }
