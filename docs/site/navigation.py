"""The navigation of the site: the pages that an index links to in its tables and lists, under its headings.

An index is a README.md. So a page that the index names is in the navigation, and there is no second list to keep.
Pure, and of the standard library alone: the tests read it where no generator is installed.
"""

import re
from pathlib import PurePosixPath

_HEADING = re.compile(r"^## +(.+?)\s*$")
_OUTSIDE = re.compile(r"\]\((?=\.\./)([^)#\s]+\.md)(?:#[^)\s]*)?\)")
_ROW = re.compile(r"^(?:\| *|\s*[-*] +|\d+\. +)\[[^\]]*\]\(([^)#\s]+\.md)\)")


def sections(text: str) -> list[tuple[str, list[str]]]:
    """Heading and pages of each part of an index: the links that begin a row of a table, or an item of a list.

    Pages are as they are linked, each once, at its first place. Before the first heading the heading is empty; parts
    without pages are left out.
    """
    found: list[tuple[str, list[str]]] = [("", [])]
    seen: set[str] = set()
    for line in text.splitlines():
        if heading := _HEADING.match(line):
            found.append((heading[1], []))
        elif (row := _ROW.match(line)) and "://" not in row[1] and row[1] not in seen:
            seen.add(row[1])
            found[-1][1].append(row[1])
    return [(heading, pages) for heading, pages in found if pages]


def with_navigation(docname: str, text: str) -> str:
    """The text of a page for the generator: an index gets a hidden tree for each of its parts."""
    if PurePosixPath(docname).name != "README":
        return text
    return "\n".join([text, *(_tree(heading, pages) for heading, pages in sections(text))])


def with_files(docname: str, text: str) -> str:
    """The text with links to pages outside docs/, as CHANGELOG.md, made links to files that the site brings along."""
    depth = len(PurePosixPath(docname).parents) - 1

    def of(found: re.Match[str]) -> str:
        up = len(found[1]) - len(found[1].lstrip("./"))
        return f"](<path:{found[1]}>)" if up > 3 * depth else found[0]

    return _OUTSIDE.sub(of, text)


def _tree(heading: str, pages: list[str]) -> str:
    caption = [f":caption: {heading}"] if heading else []
    names = [page.removesuffix(".md") for page in pages]
    return "\n".join(["", "```{toctree}", ":hidden:", *caption, "", *names, "```", ""])
