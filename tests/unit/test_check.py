"""`tandem check`: what counts as a failure, and that each is one clear line."""

from pathlib import Path

import pytest

from ops import check
from ops.check import exit_code, of_settings
from ops.finding import Finding, State

GOOD = Finding("x", State.GOOD, "")


@pytest.mark.parametrize(
    ("state", "code"), [(State.GOOD, 0), (State.WARNING, 0), (State.FAILED, 1), (State.NOT_TRIED, 1)]
)
def test_the_exit_code_says_whether_everything_can_run(state: State, code: int) -> None:
    """A warning lets it run; what could not be tried is not known to work."""
    assert exit_code([GOOD, Finding("y", state, ""), GOOD]) == code


def test_wrong_settings_fail_line_by_line() -> None:
    """Each is a finding of its own, and nothing is called good beside them."""
    assert list(of_settings(["A: is not set", "B: is empty"], {})) == [
        Finding("settings", State.FAILED, "A: is not set"),
        Finding("settings", State.FAILED, "B: is empty"),
    ]


def test_a_misspelt_variable_is_a_warning() -> None:
    """Only where a known one is close: KAFKA_OPTS belongs to somebody else."""
    found = list(of_settings([], {"KAFKA_BOOTSTRAP_SERVER": "x", "KAFKA_OPTS": "x", "MONGODB_URI": "x"}))
    assert found[0] == Finding(
        "settings", State.WARNING, "KAFKA_BOOTSTRAP_SERVER sets nothing; did you mean KAFKA_BOOTSTRAP_SERVERS?"
    )
    assert [finding.state for finding in found[1:]] == [State.GOOD]


def test_without_settings_nothing_is_tried(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The preset is still checked, since it needs no connection."""
    monkeypatch.chdir(tmp_path)
    for variable in ("KAFKA_BOOTSTRAP_SERVERS", "MONGODB_URI", "SALESFORCE_LOGIN_URL", "SF_LOGIN_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    assert check.run() == 1
    shown = capsys.readouterr().out
    assert "KAFKA_BOOTSTRAP_SERVERS: is not set." in shown
    assert shown.count("its settings are wrong") == 3
    assert "preset ticketing holds together" in shown


def test_a_topic_that_is_not_there_yet_is_a_warning_and_a_wrong_one_a_failure() -> None:
    """Topics are made by the first process that starts; what they are set to is a promise."""
    found = check._topics(["topic a does not exist", "topic b has min.insync.replicas=1"])
    assert [finding.state for finding in found] == [State.WARNING, State.FAILED]


def test_offsets_that_go_early_are_a_warning() -> None:
    """A group then reads anew, which loses nothing; with the only copy of its offsets it is as with any record."""
    found = check._topics(["brokers have offsets.retention.minutes=1, …", "topic __consumer_offsets has 1 copies …"])
    assert [finding.state for finding in found] == [State.WARNING, State.FAILED]
