"""Alert rules and dashboard: of metrics that exist, each alert tried, each with its section in the runbook."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.doc_pages import Page

from adapters.telemetry.metrics import Metrics
from ops.processes.budget import TOLD
from schemas import topics
from schemas.outcome import Outcome
from schemas.records import Failure

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
DASHBOARD = ROOT / "deploy" / "grafana" / "tandem.json"
FOREIGN = {
    "up": {"job", "instance"},
    "process_start_time_seconds": {"job", "instance"},
    "ALERTS": {"alertname", "alertstate"},
}
"""Metrics of Prometheus' own."""
OF_EVERY_TARGET = {"job", "instance", "service"}
OPERATORS = {"and", "or", "unless", "offset", "bool"}
GROUPING = {"by", "on", "without", "ignoring"}
TOKEN = re.compile(r'"[^"]*"|\[[^\]]*\]|\d\w*|[A-Za-z_]\w*|=~|!~|!=|\S')
needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="needs promtool: apt-get install prometheus (Debian, Ubuntu)"
)


@pytest.fixture(scope="module")
def rules() -> list[dict[str, Any]]:
    """Every alert rule."""
    groups = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.fixture(scope="module")
def panels() -> list[dict[str, Any]]:
    """Every panel of the dashboard."""
    return json.loads(DASHBOARD.read_text())["panels"]


@pytest.fixture(scope="module")
def known() -> dict[str, set[str]]:
    """The labels of each series that a process may expose."""
    series = dict(FOREIGN)
    for one in Metrics().describe():
        series[one.name] = set(one.labels)
        if one.type == "histogram":
            series |= {f"{one.name}_{part}": set(one.labels) for part in ("sum", "count")}
            series[f"{one.name}_bucket"] = {*one.labels, "le"}
    return series


def expressions(panels: list[dict[str, Any]], rules: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """All of them, with where they stand."""
    for rule in rules:
        yield rule["alert"], rule["expr"]
    for panel in panels:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


def read(expression: str) -> tuple[list[tuple[str, dict[str, str]]], set[str]]:
    """Each series asked for with what its labels are to match, and the labels that are grouped by."""
    tokens = [*TOKEN.findall(expression), ""]
    series: list[tuple[str, dict[str, str]]] = []
    groups: set[str] = set()
    place = 0
    while tokens[place]:
        token, following = tokens[place], tokens[place + 1]
        if token in GROUPING:
            end = tokens.index(")", place)
            groups |= set(tokens[place + 2 : end]) - {","}
            place = end
        elif token == "{":
            end = tokens.index("}", place)
            inside = [part for part in tokens[place + 1 : end] if part != ","]
            series[-1][1].update(zip(inside[::3], (value.strip('"') for value in inside[2::3]), strict=True))
            place = end
        elif re.match(r"[A-Za-z_]", token) and token not in OPERATORS and following not in {"(", *GROUPING}:
            series.append((token, {}))
        place += 1
    return series, groups


def series_in(expression: str) -> list[tuple[str, dict[str, str]]]:
    """Each series asked for, with what its labels are to match."""
    return read(expression)[0]


def grouped_by(expression: str) -> set[str]:
    """The labels that it groups by."""
    return read(expression)[1]


def test_the_reader_of_expressions_reads() -> None:
    """Names, matchers and groups; a mistake in it would let a wrong name pass."""
    text = (
        'sum by (topic, le) (rate(a_total{topic="x.y",outcome=~"b|c {d"}[5m] offset 1h)) / on (instance) b > 1e3 '
        "and (c_d == 0 or vector(0))"
    )
    assert series_in(text) == [("a_total", {"topic": "x.y", "outcome": "b|c {d"}), ("b", {}), ("c_d", {})]
    assert grouped_by(text) == {"topic", "le", "instance"}


def test_every_series_asked_for_exists_with_its_labels(
    panels: list[dict[str, Any]], rules: list[dict[str, Any]], known: dict[str, set[str]]
) -> None:
    """In rules and dashboard; a renamed metric would be an alarm that never rings."""
    asked: set[str] = set()
    for where, expression in expressions(panels, rules):
        named = series_in(expression)
        assert named, where
        for name, matchers in named:
            assert name in known, f"{where}: {name}"
            assert set(matchers) <= known[name] | OF_EVERY_TARGET, f"{where}: {name}"
            asked.add(name)
        labels = set().union(*(known[name] for name, _ in named)) | OF_EVERY_TARGET
        assert grouped_by(expression) <= labels, f"{where}: {expression}"
    assert len(asked) > 25


def test_the_values_asked_for_are_those_that_are_told(
    panels: list[dict[str, Any]], rules: list[dict[str, Any]]
) -> None:
    """Outcomes of rows and records, topics, allocations: words of ours, none misspelt."""
    rows, records = {"written", "deleted", *Failure}, set(Outcome)
    words = {
        ("tandem_salesforce_rows_total", "outcome"): rows,
        ("tandem_records_total", "outcome"): records,
        ("tandem_records_total", "topic"): set(topics.ALL),
        ("tandem_salesforce_allocation_used", "allocation"): set(TOLD),
        ("tandem_salesforce_allocation_limit", "allocation"): set(TOLD),
    }
    seen = set()
    for where, expression in expressions(panels, rules):
        for name, matchers in series_in(expression):
            for label, value in matchers.items():
                if (name, label) in words:
                    seen.add((name, label))
                    assert set(value.split("|")) <= words[name, label], f"{where}: {value}"
    assert seen == set(words)


def test_every_label_in_a_text_is_left_by_its_expression(
    panels: list[dict[str, Any]], rules: list[dict[str, Any]]
) -> None:
    """`{{ $labels.topic }}` of a sum without topics would be empty."""
    for rule in rules:
        texts = " ".join(rule["annotations"].values())
        left = grouped_by(rule["expr"]) | (
            OF_EVERY_TARGET if rule["expr"].startswith(("up", "changes(process_")) else set()
        )
        assert set(re.findall(r"\$labels\.(\w+)", texts)) <= left, rule["alert"]
    for panel in panels:
        for target in panel.get("targets", []):
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= grouped_by(target["expr"]), panel[
                "title"
            ]


def test_every_alert_leads_to_a_section_of_the_runbook(rules: list[dict[str, Any]]) -> None:
    """The page of alarms lists these alerts and no other, each with the section that its rule names."""
    page = Page("docs/runbook.md", (ROOT / "docs" / "runbook.md").read_text())
    listed = {row[0].strip("`"): row[-1] for row in page.rows("The alarms")[1:]}
    assert set(listed) == {rule["alert"] for rule in rules}
    for rule in rules:
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert {"summary", "description"} <= set(rule["annotations"])
        path, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert path == "docs/runbook.md"
        assert anchor in page.anchors, rule["alert"]
        assert f"(#{anchor})" in listed[rule["alert"]], rule["alert"]


def test_the_rules_are_of_the_products_targets(rules: list[dict[str, Any]]) -> None:
    """The numbers that the product names."""
    said = {rule["alert"]: rule["expr"] for rule in rules}
    assert "< 0.95" in said["TandemSyncSuccessLow"]
    assert said["TandemApiUseHigh"].endswith("> 0.8")
    assert said["TandemApiUseCritical"].endswith("> 0.9")
    assert "> 0.05" in said["TandemErrorsHigh"]
    assert said["TandemManyFailures"].endswith("> 10")
    assert said["TandemSalesforceUnreachable"].endswith(">= 3")
    assert "> 0.5 " in said["TandemLookupsSlow"]


def test_every_alert_is_tried(rules: list[dict[str, Any]]) -> None:
    """Each fires in some case, and in some other case of its own series it does not."""
    cases = yaml.safe_load((PROMETHEUS / "alerts_test.yml").read_text())["tests"]
    fires: set[str] = set()
    silent: set[str] = set()
    for case in cases:
        given = {series["series"].partition("{")[0] for series in case["input_series"]}
        of_case = {rule["alert"] for rule in rules if {name for name, _ in series_in(rule["expr"])} & given}
        for check in case["promql_expr_test"]:
            firing = {re.search(r'alertname="(\w+)"', sample["labels"])[1] for sample in check["exp_samples"]}
            fires |= firing
            silent |= of_case - firing
    assert fires == silent == {rule["alert"] for rule in rules}


def test_the_dashboard_is_one(panels: list[dict[str, Any]]) -> None:
    """It can be imported: its own ids, its own places, a data source that is chosen."""
    dashboard = json.loads(DASHBOARD.read_text())
    assert dashboard["uid"] == "tandem"
    assert [variable["type"] for variable in dashboard["templating"]["list"]] == ["datasource"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
        if panel["type"] != "row":
            assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert panel["description"]


def test_prometheus_looks_where_the_processes_are() -> None:
    """Each service of docker-compose.yml that runs a process, at its ops port; the job is the one the rules name."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    (job,) = config["scrape_configs"]
    assert job["job_name"] == "tandem"
    assert config["rule_files"] == ["alerts.yml"]
    looked = {(name, str(one["port"])) for one in job["dns_sd_configs"] for name in one["names"]}
    ports = {
        (one.get("network_mode", f"service:{name}").removeprefix("service:"), one["environment"]["OPS_PORT"])
        for name, one in services.items()
        if one["image"] == "tandem:local"
    }
    assert looked == ports


@needs_promtool
@pytest.mark.parametrize("command", ["check rules alerts.yml", "check config prometheus.yml"])
@pytest.mark.timeout(300)
def test_promtool_takes_them(command: str) -> None:
    """As Prometheus would at its start."""
    ended = promtool(*command.split())
    assert ended.returncode == 0, ended.stdout + ended.stderr


@needs_promtool
@pytest.mark.timeout(300)
def test_every_alert_fires_when_it_should_and_only_then() -> None:
    """The cases of alerts_test.yml, by promtool."""
    ended = promtool("test", "rules", "alerts_test.yml")
    assert ended.returncode == 0, ended.stdout + ended.stderr


@needs_promtool
@pytest.mark.timeout(300)
def test_promtool_takes_what_the_dashboard_asks(panels: list[dict[str, Any]], tmp_path: Path) -> None:
    """Each expression, as a rule that records it, with an interval in the place of Grafana's own."""
    asked = [
        target["expr"].replace("$__rate_interval", "5m") for panel in panels for target in panel.get("targets", [])
    ]
    rules = [{"record": f"panel:{place}", "expr": expression} for place, expression in enumerate(asked)]
    file = tmp_path / "dashboard.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    ended = promtool("check", "rules", str(file))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"{len(asked)} rules found" in ended.stdout


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it where the files are."""
    return subprocess.run(
        ["promtool", *arguments], cwd=PROMETHEUS, capture_output=True, text=True, timeout=280, check=False
    )
