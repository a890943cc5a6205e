"""The table at the end, made of the observer's verdict, and what it means for the exit code."""

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ops.demo.plan import Plan
from simulator.observer.verdict import MEANING, Fault, Verdict

FINDINGS_SHOWN = 25


def passed(verdict: Verdict, plan: Plan, *, rested: bool) -> bool:
    """All zeros, at rest, and enough conflicts to have meant something."""
    return verdict.clean and rested and verdict.conflicts >= plan.conflicts


def table(verdict: Verdict, plan: Plan, *, seconds: float) -> RenderableType:
    """What the observer found, and how much there was to find it in."""
    found = Table(
        box=box.SIMPLE_HEAD,
        title="By an observer that reads the platform's log, the org's log and MongoDB, and none of our counters",
        title_justify="left",
    )
    found.add_column("")
    found.add_column("found", justify="right")
    found.add_column("what it means")
    for fault in Fault:
        found.add_row(fault, _count(len(verdict.of(fault))), MEANING[fault])
    by_kind = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title="Kind by kind", title_justify="left")
    by_kind.add_column("", no_wrap=True)
    for head in ("documents", "records", "conflicts", *Fault):
        by_kind.add_column(head, justify="right")
    for name, tally in verdict.kinds.items():
        found_of = [_count(len(verdict.of(fault, name))) for fault in Fault]
        counts = (tally.documents, tally.records, tally.conflicts)
        by_kind.add_row(name, *(f"{count:,}" for count in counts), *found_of)
    judged = Table(box=box.SIMPLE, show_header=False)
    judged.add_column()
    judged.add_column(justify="right")
    judged.add_column()
    for name, value, note in (
        ("conflicts settled", verdict.conflicts, f"both values kept; at least {plan.conflicts} wanted"),
        ("overruled by triggers", verdict.overruled, "our writes that Salesforce's automation changed"),
        ("platform events", verdict.platform_events, ""),
        ("platform edits", verdict.platform_edits, f"judged; {verdict.unsure} more cannot be told from stale views"),
        ("Salesforce edits", verdict.salesforce_edits, "by people and triggers, of fields that come back"),
        ("our writes", verdict.writes, "commits in the org"),
        ("documents, records", verdict.documents, f"{verdict.records} records"),
        ("totals", verdict.totals, "counted a second time from the platform's own log"),
        ("apart", verdict.apart, "deleted on one side: not compared field by field, but the document has to tell"),
        ("kept back", verdict.kept_back, "by the mapping's filter or without consent: no record, or no write, is due"),
    ):
        judged.add_row(name, f"{value:,}", note)
    judged.add_row("seconds", f"{seconds:.0f}", "from the first webhook to rest")
    return Group(found, by_kind, judged) if len(verdict.kinds) > 1 else Group(found, judged)


def _count(found: int) -> Text:
    return Text(str(found), style="bold red" if found else "bold green")


def explanations(verdict: Verdict, *, explain: bool) -> list[str]:
    """The findings in words; with `explain` the values too."""
    told = [finding.tell(explain=explain) for finding in verdict.findings[:FINDINGS_SHOWN]]
    left_out = len(verdict.findings) - len(told)
    if left_out > 0:
        told.append(f"and {left_out} more")
    if told and not explain:
        told.append("--explain shows the values")
    return told
