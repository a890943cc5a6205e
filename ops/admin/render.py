"""Pages from templates, and the same as JSON."""

import dataclasses
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

import orjson
from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from adapters.mongo.overview import MOST
from ops.admin.lately import above, below
from ops.admin.series import numbered
from ops.reviews_view import age
from ops.show_view import moment
from ops.weekly.model import shown, trend, weekday
from schemas.samples import LONGER

JSON: Final = "application/json"


def environment() -> Environment:
    """Every value is escaped; a name that a template misspells is an error."""
    made = Environment(
        loader=PackageLoader("ops.admin"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["moment"] = lambda at: moment(at)[:19]
    made.filters["age"] = age
    made.filters["count"] = lambda number: "unknown" if number is None else f"{number:,}"
    made.filters["at_least"] = lambda number: f"{number:,}{' or more' if number >= MOST else ''}"
    made.filters["number"] = numbered
    made.filters["short"] = _short
    made.filters["below"] = below
    made.filters["above"] = above
    made.filters["percent"] = lambda share: f"{share:.0%}"
    made.filters["within"] = lambda limit: f"within {age(limit)}" if limit < LONGER else "longer than an hour"
    made.filters["weekday"] = weekday
    made.filters["figure"] = lambda each: shown(each.unit, each.now)
    made.filters["figure_before"] = lambda each: shown(each.unit, each.before)
    made.filters["trend"] = lambda each: trend(each.unit, each.now, each.before)
    made.filters["capfirst"] = lambda text: text[:1].upper() + text[1:]
    return made


def wants_json(request: web.Request) -> bool:
    """Whether the JSON twin of a page is asked for: by `?format=json`, or by what is accepted first."""
    return request.query.get("format") == "json" or request.headers.get("Accept", "").startswith(JSON)


def html(made: Environment, template: str, values: Mapping[str, Any], status: int = 200) -> web.Response:
    """A page."""
    text = made.get_template(template).render(values)
    return web.Response(text=text, status=status, content_type="text/html", charset="utf-8")


def json(shows: Any, status: int = 200) -> web.Response:
    """What a page shows, as JSON."""
    return web.Response(body=orjson.dumps(shows, default=_plain), status=status, content_type=JSON)


def _short(number: int | None) -> str:
    """`950`, `12.3k`, `4.5M`: what there is room for over a bar; nothing for what is not known."""
    if number is None:
        return ""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if number >= 10 * size or (number >= size and letter == "M"):
            return f"{number / size:.1f}{letter}"
    return f"{number:,}"


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, frozenset | set):
        return sorted(value)
    return str(value)
