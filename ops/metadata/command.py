"""`tandem mapping metadata`: the deployable metadata of any mapping, written into a folder of its own."""

from pathlib import Path

import typer

from ops.metadata.fields import custom_objects, described
from ops.metadata.project import object_file, project, source
from schemas.mapping_reading import InvalidMapping
from schemas.mapping_yaml import load_mapping

PACKAGE = "tandem"


def run(mapping_file: Path, folder: Path) -> int:
    """Write the metadata; 1 where the mapping cannot be used or the folder holds something already."""
    try:
        mapping = load_mapping(mapping_file.read_text(encoding="utf-8"))
        if folder.exists() and any(folder.iterdir()):
            return _failed([f"{folder} is not empty: what is there is not written over"])
        made = project([PACKAGE]) | {f"{PACKAGE}/{path}": text for path, text in source(mapping).items()}
        for path, text in made.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    except InvalidMapping as error:
        return _failed(error.problems)
    except (OSError, UnicodeDecodeError) as error:
        return _failed([f"{mapping_file} or {folder}: {type(error).__name__}"])
    for sobject in sorted(set(custom_objects(mapping, described())) - set(described().objects)):
        typer.echo(f"{PACKAGE}/{object_file(sobject)} makes {sobject}: take the file out where the org has it already")
    typer.echo(f"{len(made)} files in {folder}; see the types of the custom fields through before you deploy them")
    return 0


def _failed(lines: list[str] | tuple[str, ...]) -> int:
    for line in lines:
        typer.echo(line, err=True)
    return 1
