"""Write the pages that are made from the code: run `python -m ops.pages` in the root of the repository."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from ops import commands_page, settings_page

PAGES: Final[dict[str, Callable[[], str]]] = {
    "docs/settings.md": settings_page.page,
    ".env.example": settings_page.env_example,
    "docs/commands.md": commands_page.page,
}


def write(root: Path) -> None:
    """Write every page below `root`."""
    for name, page in PAGES.items():
        (root / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    write(Path.cwd())
