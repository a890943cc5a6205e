"""The OpenAPI document, and a page to try the API by it. The page is ours whole: nothing is loaded from elsewhere."""

from importlib.resources import files
from typing import Any, Final

from pydantic import RootModel

from listener.api.routes import GET, Answer, Call, Group, Page, Route

PREFIX: Final = "/api"


class Document(RootModel[dict[str, Any]]):
    """A JSON document without a model of its own."""


def page_routes(openapi: dict[str, Any]) -> Group:
    """`/api/openapi.json` and `/api/docs`, for everybody."""
    document = Document(openapi)

    async def show_document(_call: Call) -> Answer:
        return Answer(document)

    def shown(name: str, content_type: str, at: str) -> Route:
        text = (files("listener.api") / "page" / name).read_text(encoding="utf-8")

        async def show(_call: Call) -> Answer:
            return Answer(text, headers={"Content-Type": content_type, "Cache-Control": "max-age=300"})

        return Route(GET, at, show, scope=None, summary=name, answers={200: Page})

    return Group(
        "Documents",
        PREFIX,
        (
            Route(GET, "/openapi.json", show_document, scope=None, summary="This document", answers={200: Document}),
            shown("try.html", "text/html; charset=utf-8", "/docs"),
            shown("try.js", "text/javascript; charset=utf-8", "/docs/try.js"),
            shown("try.css", "text/css; charset=utf-8", "/docs/try.css"),
        ),
    )
