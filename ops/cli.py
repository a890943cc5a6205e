"""The `tandem` command. Each command imports what it runs when it is called, so that the others start without it."""

import importlib
from pathlib import Path
from typing import Annotated, Any

import typer

from consumers.rules.state import Side
from ops.cli_alerts import alerts
from ops.cli_api_keys import OF_API_KEYS, api_keys
from ops.cli_chaos import chaos
from ops.cli_debug import debug
from ops.cli_deliveries import deliveries
from ops.cli_erase import erase
from ops.cli_export import export
from ops.cli_gaps import gaps
from ops.cli_mapping import mapping
from ops.cli_parked import parked
from ops.cli_replay import replay
from ops.cli_report import report
from ops.cli_sync import sync
from ops.cli_users import users

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
def api() -> None:
    """Answer what the platform asks for over HTTP: contacts, queries, runs, the mapping, the connection.

    Needs SALESFORCE_LOGIN_URL, SALESFORCE_CLIENT_ID, SALESFORCE_CLIENT_SECRET (or what another way to sign in needs:
    docs/salesforce.md), KAFKA_BOOTSTRAP_SERVERS and MONGODB_URI; listens on API_HOST and API_PORT. Keys come from
    `tandem api-keys add`. Any number may run.
    """
    _run_process("api")


@app.command()
def subscribe() -> None:
    """Take change events of Salesforce in, and put them into Kafka before the position moves.

    Needs SALESFORCE_LOGIN_URL, SALESFORCE_CLIENT_ID, SALESFORCE_CLIENT_SECRET (or what another way to sign in needs:
    docs/salesforce.md), KAFKA_BOOTSTRAP_SERVERS and MONGODB_URI; CHANGES_CHANNELS says what to subscribe to. One works
    at a time, others stand by.
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

    Needs SALESFORCE_LOGIN_URL, SALESFORCE_CLIENT_ID, SALESFORCE_CLIENT_SECRET (or what another way to sign in needs:
    docs/salesforce.md), KAFKA_BOOTSTRAP_SERVERS and MONGODB_URI. As many may run as there are partitions.
    """
    _run_process("write")


@app.command()
def enrich() -> None:
    """Look people up in Salesforce who registered and were not found while they waited, and forget what has changed.

    Needs SALESFORCE_LOGIN_URL, SALESFORCE_CLIENT_ID, SALESFORCE_CLIENT_SECRET (or what another way to sign in needs:
    docs/salesforce.md), KAFKA_BOOTSTRAP_SERVERS and MONGODB_URI. As many may run as there are partitions.
    """
    _run_process("enrich")


@app.command()
def schedule() -> None:
    """Begin runs whose time has come, and work at those and at what was asked for; takes requests from tandem.commands.

    Nightly both sides are compared, every few hours the fields that Salesforce calculates, and each week a report is
    sent: SCHEDULE_* says when.
    Needs SALESFORCE_LOGIN_URL, SALESFORCE_CLIENT_ID, SALESFORCE_CLIENT_SECRET (or what another way to sign in needs:
    docs/salesforce.md), KAFKA_BOOTSTRAP_SERVERS and MONGODB_URI. Any number may run; one works at a time.
    """
    _run_process("schedule")


@app.command()
def repair() -> None:
    """Repair gaps by themselves: have Salesforce's records read again wherever a change may have been missed.

    Needs SALESFORCE_LOGIN_URL, SALESFORCE_CLIENT_ID, SALESFORCE_CLIENT_SECRET (or what another way to sign in needs:
    docs/salesforce.md), KAFKA_BOOTSTRAP_SERVERS and MONGODB_URI. One works at a time, others stand by.
    """
    _run_process("repair")


@app.command()
def admin() -> None:
    """Serve the page that operators work with: how things are, what waits, one thing's story, who did what.

    Needs KAFKA_BOOTSTRAP_SERVERS and MONGODB_URI; listens on ADMIN_HOST and ADMIN_PORT, never on the platform's port.
    `tandem users add` makes the first user. Any number may run.
    """
    _run_process("admin")


@app.command()
def deliver() -> None:
    """Tell the platform, by signed webhooks to its own URL, what Salesforce has changed.

    Needs KAFKA_BOOTSTRAP_SERVERS and MONGODB_URI; DELIVER_URL and DELIVER_SECRETS say where and how. Any number may
    run.
    """
    _run_process("deliver")


@app.command(name="all")
def everything() -> None:
    """Run webhook, api, admin, subscribe, reconcile, write, enrich, repair, schedule and deliver in one process.

    Needs WEBHOOK_SECRETS_<SOURCE>, SALESFORCE_LOGIN_URL, SALESFORCE_CLIENT_ID, SALESFORCE_CLIENT_SECRET (or what
    another way to sign in needs: docs/salesforce.md), KAFKA_BOOTSTRAP_SERVERS and MONGODB_URI.
    """
    _run_process("all", module="everything")


@app.command()
def up(
    data: Annotated[Path, typer.Option(help="The folder of the servers' data, kept between runs.")] = Path(
        "tandem-data"
    ),
    *,
    with_servers: Annotated[
        bool, typer.Option("--with-servers", help="Start a Kafka and a MongoDB here too, on this machine alone.")
    ] = False,
) -> None:
    """Run all processes on this machine, each in one of its own that is started again if it ends.

    Needs WEBHOOK_SECRETS_<SOURCE>, SALESFORCE_LOGIN_URL, SALESFORCE_CLIENT_ID, SALESFORCE_CLIENT_SECRET (or what
    another way to sign in needs: docs/salesforce.md), KAFKA_BOOTSTRAP_SERVERS and MONGODB_URI; the last two not with
    --with-servers, whose servers are single, without passwords, and meant for small installations and development.
    Their ops ports are OPS_PORT and those that follow. SIGHUP renews one process after the other, with the settings and
    the release that are there by then. Ctrl-C stops everything in order. The exit code is 0 then, 2 if settings are
    wrong, and 1 if a server cannot be started.
    """
    raise typer.Exit(importlib.import_module("ops.up.command").run(data=data if with_servers else None))


@app.command()
def demo(
    preset: Annotated[
        str | None,
        typer.Option(help="The mapping to play: ticketing, hackathon or customers; otherwise what MAPPING_* say."),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed makes the same edits.")] = 1,
    customers: Annotated[int, typer.Option(min=1, help="How many customers or participants there are.")] = 300,
    events: Annotated[int, typer.Option(min=0, help="How many edits the platform makes.")] = 2_400,
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
            preset=preset or "",
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


app.command()(chaos)


@app.command()
def check() -> None:
    """Try settings, connections, topics, and what the mapping needs of the org: a line for each thing that is missing.

    Of the org: API version, allocations left, objects, fields, rights, external ids, token fields, and whether the
    change events of each object are switched on and subscribed to. Changes nothing. Reads all settings. The exit code
    is 0 if everything can run, 1 if something cannot.
    """
    raise typer.Exit(importlib.import_module("ops.check").run())


@app.command()
def show(
    kind: Annotated[str, typer.Argument(help="A kind of the mapping, such as customer.")],
    id: Annotated[str, typer.Argument(help="The platform's id, such as cust-42.")],  # noqa: A002 - shown in the usage
    rows: Annotated[int, typer.Option(min=1, max=1000, help="How many entries of its story to show.")] = 100,
    *,
    story: Annotated[bool, typer.Option("--story", help="The story alone, without the two sides: no values.")] = False,
    values: Annotated[
        bool, typer.Option("--values", help="Values of marked fields too; with --story all values. Personal data.")
    ] = False,
) -> None:
    """Show a document beside its Salesforce record, and its whole story. Prints personal data, but for --story.

    Values of fields that the mapping marks as personal or sensitive (`privacy`) are masked without --values, and so are
    all in the story.

    The story tells in order, the newest last, of events and changes heard and how they ended, decisions, conflicts,
    writes and their answers, refusals, links, merges, what was parked, and what people did. Needs MONGODB_URI, and
    SALESFORCE_LOGIN_URL, SALESFORCE_CLIENT_ID and SALESFORCE_CLIENT_SECRET for the record; --story needs MONGODB_URI
    alone. The exit code is 1 if nothing was found.
    """
    if story:
        raise typer.Exit(importlib.import_module("ops.show_story").run(kind, id, rows=rows, values=values))
    raise typer.Exit(importlib.import_module("ops.show").run(kind, id, rows=rows, values=values))


@app.command()
def verify(
    kind: Annotated[list[str] | None, typer.Option(help="Of this kind only; may be repeated.")] = None,
    since: Annotated[
        str, typer.Option(metavar="TIME", help="What either side changed since: 2026-11-22, or 2026-11-22T10:00:00Z.")
    ] = "",
    until: Annotated[str, typer.Option(metavar="TIME", help="And until then; goes with --since.")] = "",
    sample: Annotated[int, typer.Option(min=0, help="So many of each kind at random; 0: all.")] = 0,
    show: Annotated[int, typer.Option(min=0, max=100_000, help="How many differences to name.")] = 20,
    *,
    repair: Annotated[bool, typer.Option("--repair", help="Have the ordinary rules look again.")] = False,
    values: Annotated[bool, typer.Option("--values", help="Print both values: personal data.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON objects, one a line, for scripts.")] = False,
) -> None:
    """Compare both sides field by field, and say why they differ where they do: by a rule, or truly.

    Of records too that should have a document and have none, but for --sample.

    Needs MONGODB_URI, SALESFORCE_LOGIN_URL, SALESFORCE_CLIENT_ID, SALESFORCE_CLIENT_SECRET (or what another way to sign
    in needs: docs/salesforce.md), MERGE_* and REPAIR_* as the processes have it, and KAFKA_BOOTSTRAP_SERVERS for
    --repair, and to know what is only not handled yet. One API call for each 2,000 documents and one for each 2,000
    records, in the repair lane. Changes nothing without --repair, which leaves alone what is explained.
    The exit code is 0 if nothing is truly different, 1 if something is, 3 if not everything could be compared.
    """
    command = importlib.import_module("ops.verify_command")
    moments = {}
    for name, given in (("--since", since), ("--until", until)):
        try:
            moments[name] = command.moment_of(given) if given else 0
        except ValueError:
            raise typer.BadParameter("neither a date nor a moment", param_hint=name) from None
    if since and sample:
        raise typer.BadParameter("goes with no --since", param_hint="--sample")
    if until and not 0 < moments["--since"] < moments["--until"]:
        raise typer.BadParameter("goes with a --since before it", param_hint="--until")
    wanted = command.Wanted(tuple(kind or ()), moments["--since"], moments["--until"], sample, show, repair)
    raise typer.Exit(command.run(wanted, values=values, as_json=as_json))


@app.command()
def migrate(
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without it the plan is shown.")] = False,
) -> None:
    """Bring what is stored into the form of this release: shows the plan, or with --yes does it, in batches.

    Needs MONGODB_URI. May run beside running processes: what they write meanwhile stays. Ctrl-C is safe at any moment,
    and the same command goes on. The exit code is 1 if it did not come to its end.
    """
    raise typer.Exit(importlib.import_module("ops.migrate_command").run(sure=yes))


@app.command()
def connect(
    wait: Annotated[float, typer.Option(min=1, help="How long to wait for the browser, in seconds.")] = 600.0,
    *,
    paste: Annotated[bool, typer.Option("--paste", help="Paste the address the browser ends at instead.")] = False,
) -> None:
    """Have a person agree in the browser that we sign in to Salesforce, and keep the tokens, sealed.

    For the flow web_server alone. Needs SALESFORCE_CLIENT_ID, SALESFORCE_REDIRECT_URI or
    SALESFORCE_OAUTH_FLOW=web_server, ENCRYPTION_KEYS and MONGODB_URI. Prints an address to open; waits for the browser
    where the callback URL is this machine's, and else for the address it ends at. A connection that is there is
    replaced and ended. The exit code is 1 if nothing was kept.
    """
    raise typer.Exit(importlib.import_module("ops.connect_command").run(paste=paste, seconds=wait))


keys = typer.Typer(
    no_args_is_help=True,
    help="Keys of the API, as `tandem api-keys` (docs/api.md); and those that seal stored tokens (docs/salesforce.md).",
)
app.add_typer(keys, name="keys")
for name, same in OF_API_KEYS.items():
    keys.command(name=name)(same)


@keys.command()
def rotate() -> None:
    """Seal everything that is stored with the newest key, the first of ENCRYPTION_KEYS.

    Needs ENCRYPTION_KEYS with the older keys behind the newest, and MONGODB_URI. May run beside running processes; give
    them the new key first. The exit code is 1 if something could not be opened, and then every key is still needed.
    """
    raise typer.Exit(importlib.import_module("ops.keys_command").run_rotate())


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


app.add_typer(report, name="report")
app.add_typer(alerts, name="alerts")
app.add_typer(api_keys, name="api-keys")
app.add_typer(sync, name="sync")
app.add_typer(users, name="users")
app.add_typer(debug, name="debug")
app.add_typer(gaps, name="gaps")
app.add_typer(parked, name="parked")
app.add_typer(deliveries, name="deliveries")
app.command()(replay)
app.command()(erase)
app.command()(export)
app.add_typer(mapping, name="mapping")


def _run_process(name: str, *, module: str = "") -> None:
    """Run a process to its end; all its wrong settings are told before any part of it starts."""
    _refuse_wrong_settings(name)
    process: Any = importlib.import_module(f"ops.processes.{module or name}")
    raise typer.Exit(process.main())


def _refuse_wrong_settings(name: str) -> None:
    from ops.ports import collisions_of_one_machine  # noqa: PLC0415 - what --help does not need
    from ops.settings import read_each  # noqa: PLC0415
    from ops.settings_groups import contradictions, of_process  # noqa: PLC0415

    read, wrong = read_each(*of_process(name))
    wrong += contradictions(read)
    wrong += collisions_of_one_machine(read, [name]) if name == "all" else []
    for line in dict.fromkeys(wrong):
        typer.echo(line, err=True)
    if wrong:
        raise typer.Exit(2)


def main() -> None:
    """Run the command line."""
    app(prog_name="tandem")
