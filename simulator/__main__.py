"""`python -m simulator`: each pretend or local part, started alone."""

import importlib
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="A pretend Salesforce org, a registration site, and real Kafka and MongoDB on this machine.",
)


@app.command()
def org(
    port: Annotated[int, typer.Option(help="Port to listen on; 0 picks a free one.", min=0, max=65535)] = 0,
) -> None:
    """Run a pretend Salesforce org until Ctrl-C; one JSON line tells how to reach it."""
    importlib.import_module("simulator.org.command").run(port=port)


@app.command()
def servers(
    directory: Annotated[
        Path | None, typer.Option(help="Keep the data here; a temporary folder that is removed at the end otherwise.")
    ] = None,
) -> None:
    """Run a real Kafka and a real mongod until Ctrl-C; one JSON line tells their addresses."""
    importlib.import_module("simulator.servers.command").run(directory=directory)


@app.command()
def registration(
    api: Annotated[str, typer.Option(help="Where Tandem's API listens.")] = "http://127.0.0.1:8070",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 picks a free one.", min=0, max=65535)] = 0,
) -> None:
    """Run a registration site until Ctrl-C; REGISTRATION_API_KEY is its key; one JSON line tells its url."""
    importlib.import_module("simulator.registration.command").run(api_url=api, port=port)


if __name__ == "__main__":
    app(prog_name="python -m simulator")
