"""Write the pages that are made from the code: run `python -m ops.pages` in the root of the repository."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from ops import asyncapi_page, commands_page, errors_page, settings_page
from ops.metadata.project import project, source
from schemas import mapping_schema
from schemas.presets import preset, preset_names

DEPLOYABLE: Final = "deploy/salesforce"

PAGES: Final[dict[str, Callable[[], str]]] = {
    "docs/settings.md": settings_page.page,
    ".env.example": settings_page.env_example,
    "docs/commands.md": commands_page.page,
    "docs/errors.md": errors_page.page,
    "docs/mapping.schema.json": mapping_schema.page,
    "docs/asyncapi.json": asyncapi_page.page,
}


def write(root: Path) -> None:
    """Write every page below `root`."""
    for name, page in PAGES.items():
        (root / name).write_text(page(), encoding="utf-8")
    for stale in (root / DEPLOYABLE).rglob("*-meta.xml"):
        stale.unlink()
    for name, text in deployable().items():
        (root / DEPLOYABLE / name).parent.mkdir(parents=True, exist_ok=True)
        (root / DEPLOYABLE / name).write_text(text, encoding="utf-8")


def deployable() -> dict[str, str]:
    """The presets' metadata, by its path below DEPLOYABLE: a package folder for each preset."""
    made = project(preset_names())
    for name in preset_names():
        made |= {f"{name}/{path}": text for path, text in source(preset(name)).items()}
    return made


if __name__ == "__main__":
    write(Path.cwd())
