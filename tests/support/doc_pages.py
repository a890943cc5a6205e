"""The documentation as values: pages, their sections, what they quote, and what they link to. And the code as text."""

import ast
import importlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PACKAGES = ("schemas", "adapters", "listener", "consumers", "ops", "simulator")
NOT_COPIED = ("CONTRIBUTING.md", "LICENSE", "benchmarks/", "requirements/")
"""In the repository, and not in the folder in which `make test` tests the wheel."""

_FENCE = re.compile(r"^```.*?^```[^\S\n]*$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Page:
    """One Markdown file. `name` is its path from the root."""

    name: str
    text: str

    @cached_property
    def prose(self) -> str:
        """The text without fenced blocks."""
        return _FENCE.sub("", self.text)

    @cached_property
    def spans(self) -> frozenset[str]:
        """What stands between backticks, outside fenced blocks."""
        return frozenset(_SPAN.findall(self.prose))

    @cached_property
    def links(self) -> tuple[str, ...]:
        """Targets that lead to no other site."""
        return tuple(link for link in _LINK.findall(self.prose) if "://" not in link)

    @cached_property
    def anchors(self) -> frozenset[str]:
        """What a heading can be linked by, as GitHub makes it."""
        return frozenset(_anchor(title) for _marks, title in _HEADING.findall(self.prose))

    @cached_property
    def paragraphs(self) -> tuple[str, ...]:
        """Blocks of prose between empty lines; each row of a table and each item of a list is one of its own."""
        blocks = (re.split(r"\n(?=[|#]|\s*- )", block) for block in re.split(r"\n\s*\n", self.prose))
        return tuple(part for block in blocks for part in block if part.strip())

    def section(self, title: str) -> str:
        """The text under the heading that begins with `title`, up to the next of its level or above; empty without."""
        found = re.search(rf"^(#+) {re.escape(title)}(?!\w).*$", self.prose, re.MULTILINE)
        if found is None:
            return ""
        rest = self.prose[found.end() :]
        end = re.search(rf"^#{{1,{len(found[1])}}} ", rest, re.MULTILINE)
        return rest[: end.start()] if end else rest

    def rows(self, title: str) -> list[list[str]]:
        """The cells of each table row under a heading, without head and rule."""
        lines = [line.strip() for line in self.section(title).splitlines() if line.strip().startswith("|")]
        cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        return [row for row in cells if not set("".join(row)) <= set("-: ")]

    def fences(self, language: str) -> list[str]:
        """Fenced blocks of one language."""
        return re.findall(rf"^```{language}\n(.*?)^```", self.text, re.MULTILINE | re.DOTALL)


def read_pages(root: Path) -> dict[str, Page]:
    """README, CHANGELOG and everything below docs, by path from the root."""
    files = [root / "README.md", root / "CHANGELOG.md", *sorted((root / "docs").rglob("*.md"))]
    return {name: Page(name, file.read_text()) for file in files for name in [str(file.relative_to(root))]}


def exists(root: Path, path: str) -> bool:
    """Whether a path of the repository is there: of our packages the one that is imported, which may be the wheel's."""
    top, _, rest = path.partition("/")
    if top in PACKAGES:
        return (package(top) / rest).exists()
    if path.startswith(NOT_COPIED) and not (root / "schemas").exists():
        return True
    return (root / path).exists()


def package(name: str) -> Path:
    """The folder of an imported package."""
    origin = importlib.import_module(name).__file__
    assert origin is not None
    return Path(origin).parent


def calls(name: str) -> Iterator[ast.Call]:
    """Every call in a package's source."""
    for file in sorted(package(name.partition(".")[0]).joinpath(*name.split(".")[1:]).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call):
                yield node


def called(call: ast.Call) -> str:
    """The last name of what is called."""
    return getattr(call.func, "attr", None) or getattr(call.func, "id", "")


def constants(name: str) -> dict[str, str]:
    """Texts that a package's modules give names in capitals."""
    return {
        target.id: node.value.value
        for file in package(name).rglob("*.py")
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def texts(call: ast.Call, named: Mapping[str, str]) -> Iterator[str]:
    """Texts among its arguments, named ones too; of one with places to fill, what stands before the first."""
    for argument in call.args:
        if isinstance(argument, ast.Name) and argument.id in named:
            yield named[argument.id]
        first = argument.values[0] if isinstance(argument, ast.JoinedStr) and argument.values else argument
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            yield first.value.strip()


def _anchor(title: str) -> str:
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
