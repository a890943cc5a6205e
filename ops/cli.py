"""The `tandem` command."""

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Keeps MongoDB and Salesforce the same.")


@app.callback()
def root() -> None:
    """Keeps an event platform's MongoDB and Salesforce the same, in both directions, field by field."""


def main() -> None:
    """Run the command line."""
    app()
