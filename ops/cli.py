"""The `tandem` command. Each command imports what it runs when it is called, so that the others start without it."""

import importlib
from pathlib import Path
from typing import Annotated, Any

import typer

from consumers.rules.state import Side

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # its tracebacks show local variables, which may hold personal data and secrets
    help="Keeps an event platform's MongoDB and Salesforce the same, in both directions, field by field.",
    epilog="Settings come from the environment and from .env; docs/settings.md names them all.",
)


@app.command()
def webhook() -> None:
    """Take signed webhooks in, and put them into Kafka before they are answered.

    Needs WEBHOOK_SECRETS_<SOURCE>, KAFKA_BOOTSTRAP_SERVERS and MONGODB_URI; listens on WEBHOOK_HOST and WEBHOOK_PORT.
    Any number may run.
    """
    _run_process("webhook")


@app.command()
def subscribe() -> None:
    """Take change events of Salesforce in, and put them into Kafka before the position moves.

    Needs SALESFORCE_LOGIN_URL, SALESFORCE_CLIENT_ID, SALESFORCE_CLIENT_SECRET, KAFKA_BOOTSTRAP_SERVERS and MONGODB_URI;
    CHANGES_CHANNELS says what to subscribe to. One works at a time, others stand by.
    """
    _run_process("subscribe")


@app.command()
def reconcile() -> None:
    """Merge platform events and Salesforce changes into the documents, and ring for those that are due.

    Needs KAFKA_BOOTSTRAP_SERVERS and MONGODB_URI. As many may run as there are partitions.
    """
    _run_process("reconcile")


@app.command()
def write() -> None:
    """Make Salesforce match the documents that were rung for.

    Needs SALESFORCE_LOGIN_URL, SALESFORCE_CLIENT_ID, SALESFORCE_CLIENT_SECRET, KAFKA_BOOTSTRAP_SERVERS and MONGODB_URI.
    As many may run as there are partitions.
    """
    _run_process("write")


@app.command(name="all")
def everything() -> None:
    """Run webhook, subscribe, reconcile and write in one process.

    Needs WEBHOOK_SECRETS_<SOURCE>, SALESFORCE_LOGIN_URL, SALESFORCE_CLIENT_ID, SALESFORCE_CLIENT_SECRET,
    KAFKA_BOOTSTRAP_SERVERS and MONGODB_URI.
    """
    _run_process("all", module="everything")


@app.command()
def demo(
    seed: Annotated[int, typer.Option(help="The same seed makes the same edits.")] = 1,
    customers: Annotated[int, typer.Option(min=1, help="How many customers there are.")] = 300,
    events: Annotated[int, typer.Option(min=0, help="How many edits the platform makes.")] = 3_000,
    seconds: Annotated[float, typer.Option(min=1, help="How long the edits may take at most.")] = 300.0,
    conflicts: Annotated[int, typer.Option(min=0, help="How many conflicts must be settled.")] = 100,
    *,
    keep: Annotated[bool, typer.Option("--keep", help="Stay up afterwards, and print the addresses.")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="Lines instead of a live view.")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Say more of what the observer found.")] = False,
    kill: Annotated[bool, typer.Option("--kill", help="Kill each of our processes again and again meanwhile.")] = False,
) -> None:
    """Show the main job on real Kafka, real MongoDB and a simulated org; an observer judges it.

    Starts everything itself; KAFKA_BOOTSTRAP_SERVERS and MONGODB_URI name running servers to use instead. The exit code
    is 0 if nothing was lost, doubled, echoed or different.
    """
    run = importlib.import_module("ops.demo.command").run
    raise typer.Exit(
        run(
            seed=seed,
            customers=customers,
            events=events,
            seconds=seconds,
            conflicts=conflicts,
            keep=keep,
            plain=plain,
            explain=explain,
            kill=kill,
        )
    )


@app.command()
def check() -> None:
    """Try settings, connections, topics, and the mapping against the org's own description of its objects.

    Changes nothing. Reads all settings. The exit code is 0 if everything can run, 1 if something cannot.
    """
    raise typer.Exit(importlib.import_module("ops.check").run())


@app.command()
def show(
    kind: Annotated[str, typer.Argument(help="A kind of the mapping, such as customer.")],
    id: Annotated[str, typer.Argument(help="The platform's id, such as cust-42.")],  # noqa: A002 - shown in the usage
    rows: Annotated[int, typer.Option(min=1, max=1000, help="How many log rows to show.")] = 20,
) -> None:
    """Show a document, its Salesforce record and its audit side by side. Prints personal data.

    Needs MONGODB_URI, and SALESFORCE_LOGIN_URL, SALESFORCE_CLIENT_ID and SALESFORCE_CLIENT_SECRET for the record. The
    exit code is 1 if neither a document nor a record was found.
    """
    raise typer.Exit(importlib.import_module("ops.show").run(kind, id, rows=rows))


review = typer.Typer(no_args_is_help=True, help="See and settle the conflicts that wait for a person.")
app.add_typer(review, name="review")


@review.command(name="list")
def list_reviews(
    kind: Annotated[str, typer.Option(help="Of this kind only, such as customer.")] = "",
    field: Annotated[str, typer.Option(metavar="PATH", help="On this platform path only, such as phone.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many to show.")] = 50,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, for scripts.")] = False,
) -> None:
    """List the conflicts that wait for a person, the oldest first, and how many there are. Prints personal data.

    Needs MONGODB_URI. These are conflicts on fields with the policy `review`: nothing is written to Salesforce until
    somebody chooses.
    """
    raise typer.Exit(importlib.import_module("ops.review_command").run_list(kind, field, limit, as_json=as_json))


@review.command()
def choose(
    kind: Annotated[str, typer.Argument(help="A kind of the mapping, such as customer.")],
    id: Annotated[str, typer.Argument(help="The platform's id, such as cust-42.")],  # noqa: A002 - shown in the usage
    path: Annotated[str, typer.Argument(help="The platform's path of the field, such as phone.")],
    side: Annotated[Side, typer.Argument(help="Whose value both sides shall have.")],
    why: Annotated[str, typer.Option(help="Why, kept in the audit with your login name.")] = "",
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask again.")] = False,
) -> None:
    """Settle a conflict that waits: both sides get the value of the side you name. Prints personal data.

    Needs MONGODB_URI, and MERGE_* as the processes have it. Both values are shown, and you are asked to confirm. The
    value that lost stays in the audit. A running `tandem write` takes the value to Salesforce within seconds. The exit
    code is 1 if nothing was changed: you said no, no such question is open, or it is now about other values than those
    that were shown.
    """
    run = importlib.import_module("ops.review_command").run_choose
    raise typer.Exit(run(kind, id, path, side, why=why, sure=yes))


mapping = typer.Typer(no_args_is_help=True, help="See and change the mapping. docs/mapping.md says how to write it.")
app.add_typer(mapping, name="mapping")


@mapping.command()
def export(
    version: Annotated[int | None, typer.Option(min=1, help="An older version; else the one in force.")] = None,
) -> None:
    """Print the mapping as YAML, with its version.

    Needs MONGODB_URI. Before the first version is published it is the one that would be.
    """
    raise typer.Exit(importlib.import_module("ops.mapping_command").run_export(version))


_MAPPING_FILE = Annotated[Path, typer.Argument(help="A YAML file, made from an export.")]
_MAPPING_NOTE = Annotated[str, typer.Option(help="Why, kept with the version.")]
_MAPPING_YES = Annotated[bool, typer.Option("--yes", help="Do not ask; needed where no terminal is at hand.")]


@mapping.command()
def plan(
    file: _MAPPING_FILE,
    show: Annotated[int, typer.Option(min=0, max=1000, help="How many document ids to name for each line.")] = 0,
) -> None:
    """Show what the file would do as the next version, document by document. Changes nothing.

    Needs MONGODB_URI, and MERGE_* as the processes have it. All documents are decided again in memory: what would be
    written to Salesforce, read from it, taken over from it, and how many API calls that takes.
    """
    raise typer.Exit(importlib.import_module("ops.mapping_command").run_plan(file, show))


@mapping.command()
def publish(file: _MAPPING_FILE, note: _MAPPING_NOTE = "", *, yes: _MAPPING_YES = False) -> None:
    """Make the file the next version of the mapping: shows the plan, asks, publishes, and decides all documents again.

    Needs MONGODB_URI, and MERGE_* as the processes have it; running processes take the version up by themselves.
    Refused, with every fault and its line, if it cannot be used; refused too if another version than the one it was
    made from is in force. Ctrl-C is safe at any moment: `tandem mapping apply` goes on.
    """
    raise typer.Exit(importlib.import_module("ops.mapping_command").run_publish(file, note, sure=yes))


@mapping.command()
def apply() -> None:
    """Decide all documents again that an older version has decided last, as after an interrupted publication.

    Needs MONGODB_URI, and MERGE_* as the processes have it. May run at any time, beside running processes too.
    """
    raise typer.Exit(importlib.import_module("ops.mapping_command").run_apply())


@mapping.command()
def rollback(
    version: Annotated[int, typer.Argument(min=1, help="The version to go back to.")],
    note: _MAPPING_NOTE = "",
    *,
    yes: _MAPPING_YES = False,
) -> None:
    """Publish what an older version said as a new version: shows the plan, asks, publishes, and applies it.

    Needs MONGODB_URI, and MERGE_* as the processes have it.
    """
    raise typer.Exit(importlib.import_module("ops.mapping_command").run_rollback(version, note, sure=yes))


@mapping.command()
def versions() -> None:
    """List all versions, and how many documents have still to be decided by the newest.

    Needs MONGODB_URI.
    """
    raise typer.Exit(importlib.import_module("ops.mapping_command").run_versions())


def _run_process(name: str, *, module: str = "") -> None:
    """Run a process to its end; all its wrong settings are told before any part of it starts."""
    _refuse_wrong_settings(name)
    process: Any = importlib.import_module(f"ops.processes.{module or name}")
    raise typer.Exit(process.main())


def _refuse_wrong_settings(name: str) -> None:
    from ops.settings import read_each  # noqa: PLC0415 - what --help does not need
    from ops.settings_groups import contradictions, of_process  # noqa: PLC0415

    read, wrong = read_each(*of_process(name))
    wrong += contradictions(read)
    for line in wrong:
        typer.echo(line, err=True)
    if wrong:
        raise typer.Exit(2)


def main() -> None:
    """Run the command line."""
    app(prog_name="tandem")
