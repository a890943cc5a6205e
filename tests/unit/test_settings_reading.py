"""Every wrong setting is one clear line with its variable, and no line shows a secret."""

import os
from pathlib import Path

import pytest
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from adapters.mongo.settings import MongoSettings
from ops.settings import WrongSettings, read_each, read_settings, unknown_variables, variables
from ops.settings_groups import ALL, OF_PROCESS, of_process, read_by

GOOD = {
    "KAFKA_BOOTSTRAP_SERVERS": "kafka:9092",
    "MONGODB_URI": "mongodb://db:27017",
    "SALESFORCE_CLIENT_ID": "3MVG",
    "SALESFORCE_CLIENT_SECRET": "hunter2",
    "SALESFORCE_LOGIN_URL": "https://acme.my.salesforce.com",
    "WEBHOOK_SECRETS_TICKETS": "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
}


@pytest.fixture(autouse=True)
def no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the machine's own environment, and no `.env`."""
    monkeypatch.chdir(tmp_path)
    prefixes = tuple(
        {f"{name.split('_')[0]}_" for group in ALL for field in group.model_fields for name in variables(group, field)}
    )
    for name in list(os.environ):
        if name.upper().startswith(prefixes):
            monkeypatch.delenv(name)


@pytest.fixture
def good(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment in which everything is set."""
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.mark.parametrize("process", ["webhook", "subscribe", "reconcile", "write", "all"])
def test_a_process_needs_no_more_than_this(good: pytest.MonkeyPatch, process: str) -> None:
    """Six variables are enough for every process."""
    groups = of_process(process)
    read, wrong = read_each(*groups)
    assert wrong == []
    assert list(read) == list(groups)


def test_all_reads_what_every_process_reads() -> None:
    """One process with every stage needs the settings of each."""
    assert set(of_process("all")) == {group for groups in OF_PROCESS.values() for group in groups}
    assert all(read_by(group) for group in ALL)


def test_nothing_set_names_every_variable_that_is_needed() -> None:
    """A newcomer learns in one go what to set, and what each is."""
    _, wrong = read_each(*ALL)
    named = {line.partition(":")[0] for line in wrong}
    assert named == {name.replace("_TICKETS", "_<SOURCE>") for name in GOOD}
    assert "MONGODB_URI: is not set. The connection string." in "\n".join(wrong)


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        ("MONGODB_TLS", "maybe", "MONGODB_TLS: must be true or false"),
        ("MONGODB_OPERATION_SECONDS", "0", "MONGODB_OPERATION_SECONDS: must be greater than 0"),
        ("MONGODB_PASSWORD", "hunter2", "MONGODB_PASSWORD is set and MONGODB_USERNAME is not"),
        ("MONGODB_TLS_CA_FILE", "missing.pem", "MONGODB_TLS_CA_FILE: names no file"),
        ("MONGODB_TLS_CA_FILE", "", "MONGODB_TLS_CA_FILE: is empty; give it a value or leave it out."),
        ("LOG_LEVEL", "loud", "LOG_LEVEL: must be one of 'debug', 'info', 'warning' or 'error'"),
        ("WEBHOOK_PORT", "http", "WEBHOOK_PORT: must be a valid integer"),
        ("WEBHOOK_SECRETS_TICKETS", "hunter2!", "WEBHOOK_SECRETS_TICKETS: is not base64"),
        ("SALESFORCE_CLIENT_SECRET", "", "SALESFORCE_CLIENT_SECRET: is empty; give it a value or leave it out."),
        ("SALESFORCE_LOGIN_URL", "http://acme.example", "SALESFORCE_LOGIN_URL: must begin with https://"),
        ("KAFKA_SASL_PASSWORD", "hunter2", "KAFKA_SASL_PASSWORD needs KAFKA_SECURITY_PROTOCOL"),
        ("CHANGES_LOW_MARK", "999999", "CHANGES_LOW_MARK must be below CHANGES_HIGH_MARK"),
        ("MAPPING_PRESET", "opera", "MAPPING_PRESET: must be one of customers, hackathon, ticketing"),
        ("MAPPING_FILE", "missing.yaml", "MAPPING_FILE: names no file"),
        ("MAPPING_FILE", ".", "MAPPING_FILE: names no file"),
    ],
)
def test_a_wrong_setting_is_one_line(good: pytest.MonkeyPatch, variable: str, value: str, line: str) -> None:
    """The line begins with the variable and does not repeat a secret."""
    good.setenv(variable, value)
    _, wrong = read_each(*ALL)
    (found,) = wrong
    assert found.startswith(line)
    assert "hunter2" not in found
    assert "\n" not in found


def test_a_mapping_to_seed_with_is_read_with_the_settings(good: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each fault is a line of its own, with the line of the file, before anything connects."""
    file = tmp_path / "mapping.yaml"
    file.write_text("kinds:\n  customer:\n    collection: 1x\n    sobject: Contact\n")
    good.setenv("MAPPING_FILE", str(file))
    _, wrong = read_each(*ALL)
    assert wrong[0].startswith("MAPPING_FILE: line 3: kinds.customer.collection:")
    assert len(wrong) > 1
    assert all(line.startswith("MAPPING_FILE: line ") for line in wrong)
    file.write_bytes(b"\xff\xfe")
    assert read_each(*ALL)[1] == ["MAPPING_FILE: cannot be read: UnicodeDecodeError"]


def test_every_group_is_read_before_anything_is_said(good: pytest.MonkeyPatch) -> None:
    """Faults of several groups are told at once, and the error holds them."""
    good.setenv("MONGODB_TLS", "maybe")
    good.setenv("LOG_LEVEL", "loud")
    with pytest.raises(WrongSettings) as caught:
        read_settings(*of_process("webhook")[:3], of_process("webhook")[-1])
    assert len(caught.value.lines) == 2


def test_the_environment_goes_before_the_file(good: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A deployment's own setting is not undone by a file left behind."""
    (tmp_path / ".env").write_text("MONGODB_DATABASE=from_file\nLOG_LEVEL=debug\nUNRELATED=1\n")
    good.setenv("MONGODB_DATABASE", "from_environment")
    read, wrong = read_each(*ALL)
    assert wrong == []
    values = {name: value for group in read.values() for name, value in group}
    database = read[MongoSettings]
    assert isinstance(database, MongoSettings)
    assert database.database == "from_environment"
    assert values["log_level"] == "debug"


def test_a_file_that_cannot_be_read_is_told(good: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Instead of a traceback."""
    (tmp_path / ".env").write_bytes(b"LOG_LEVEL=\xff\xfe\n")
    _, wrong = read_each(*ALL)
    assert wrong == [".env: cannot be read: UnicodeDecodeError"]


def test_the_names_of_the_first_sketch_still_work(good: pytest.MonkeyPatch) -> None:
    """`SF_CLIENT_ID` sets what `SALESFORCE_CLIENT_ID` does."""
    good.delenv("SALESFORCE_CLIENT_ID")
    good.setenv("SF_CLIENT_ID", "3MVG")
    _, wrong = read_each(*ALL)
    assert wrong == []


def test_misspelt_variables_are_found(good: pytest.MonkeyPatch) -> None:
    """A name that begins like ours and sets nothing; sources of webhooks are free to have any name."""
    environment = {**GOOD, "KAFKA_BOOTSTRAP_SERVER": "x", "WEBHOOK_SECRETS_BOX_OFFICE": "x", "PATH": "x"}
    assert list(unknown_variables(ALL, environment)) == ["KAFKA_BOOTSTRAP_SERVER"]


def test_a_field_of_any_sort_names_its_variable() -> None:
    """By prefix, by alias, by several aliases."""

    class Example(BaseSettings):
        model_config = SettingsConfigDict(env_prefix="EXAMPLE_")
        plain: str = ""
        named: SecretStr = Field(default=SecretStr(""), validation_alias="OTHER_NAME")

    assert variables(Example, "plain") == ["EXAMPLE_PLAIN"]
    assert variables(Example, "named") == ["OTHER_NAME"]
