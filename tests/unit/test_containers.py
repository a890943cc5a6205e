"""`docker-compose.yml` and `Dockerfile` say what the commands and settings of today are."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapters.telemetry.settings import TelemetrySettings
from ops import probe
from ops.commands_page import commands
from ops.settings import variables
from ops.settings_groups import ALL, OF_PROCESS
from simulator.__main__ import app as simulator_app
from simulator.org.settings import OrgSettings

ROOT = Path(__file__).parents[2]
OURS = "tandem:local"
PUBLIC_IMAGES = {"apache/kafka", "mongo", "prom/prometheus", "grafana/grafana"}
SETTINGS = {variable for group in ALL for name in group.model_fields for variable in variables(group, name)}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The whole file."""
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, Any]:
    """Its services by name."""
    return compose["services"]


@pytest.fixture(scope="module")
def dockerfile() -> str:
    """The recipe of the image."""
    return (ROOT / "Dockerfile").read_text()


def ours(services: Mapping[str, Any]) -> dict[str, Any]:
    """The services that run a process of ours."""
    return {name: one for name, one in services.items() if one["image"] == OURS}


def test_every_process_has_a_service_and_every_command_is_one(services: dict[str, Any]) -> None:
    """With an org of one's own, and the two that speak to it with the pretended one."""
    run = [one["command"] for one in ours(services).values()]
    assert {command for (command,) in run} == set(OF_PROCESS) <= set(commands())
    of_profile = {
        profile: {one["command"][0] for one in ours(services).values() if profile in one.get("profiles", [profile])}
        for profile in ("salesforce", "simulated")
    }
    assert all(run_there == set(OF_PROCESS) for run_there in of_profile.values())


def test_the_org_is_started_as_the_simulator_is_called(services: dict[str, Any]) -> None:
    """By its command, with settings that it has, on the port that the processes sign in at."""
    org = services["org"]
    known = {command.name or command.callback.__name__ for command in simulator_app.registered_commands}
    assert org["entrypoint"][-2:] == ["-m", "simulator"]
    assert org["command"][0] in known
    port = org["command"][org["command"].index("--port") + 1]
    assert set(org["environment"]) <= {f"SIMULATED_ORG_{name.upper()}" for name in OrgSettings.model_fields}
    assert f":{port}/" in " ".join(org["healthcheck"]["test"])
    for name, one in ours(services).items():
        if "simulated" in one.get("profiles", []):
            assert one["environment"]["SALESFORCE_LOGIN_URL"] == f"http://127.0.0.1:{port}", name
            assert one["network_mode"] == "service:org", name
            given = OrgSettings()
            assert one["environment"]["SALESFORCE_CLIENT_ID"] == given.client_id
            assert one["environment"]["SALESFORCE_CLIENT_SECRET"] == given.client_secret.get_secret_value()


def test_every_variable_given_to_a_process_is_a_setting(services: dict[str, Any]) -> None:
    """And the secrets come by a file that is not in the repository."""
    for name, one in ours(services).items():
        assert set(one["environment"]) <= SETTINGS, name
        assert one["env_file"] == ".env"


def test_ports_and_health_checks_agree(services: dict[str, Any]) -> None:
    """Each asks `/ready` of the port that its own process listens on; no two of one network share a port."""
    taken: dict[str, list[str]] = {}
    for name, one in ours(services).items():
        environment = one["environment"]
        assert one["healthcheck"]["test"] == ["CMD", "python", "-m", "ops.probe", "ready"], name
        asked = re.search(r":(\d+)/ready$", probe.url("ready", environment))
        assert asked is not None
        assert asked[1] == environment["OPS_PORT"], name
        taken.setdefault(one.get("network_mode", name), []).append(environment["OPS_PORT"])
    assert all(len(set(ports)) == len(ports) for ports in taken.values())
    (published,) = services["webhook"]["ports"]
    assert published.split(":") == ["127.0.0.1", "8080", services["webhook"]["environment"]["WEBHOOK_PORT"]]
    assert [name for name, one in services.items() if "ports" in one and name in {"kafka", "mongodb"}] == []


def test_every_process_reaches_kafka_and_mongodb(services: dict[str, Any]) -> None:
    """It is in their network, or shares the network of a service that is."""
    for server in ("kafka", "mongodb"):
        assert services[server]["networks"] == ["data"]
    for name, one in ours(services).items():
        through = one.get("network_mode", "").removeprefix("service:") or name
        assert "data" in services[through].get("networks", []), name
        assert "networks" not in one or through == name, name


def test_the_pages_that_people_open_are_published(services: dict[str, Any]) -> None:
    """The admin page and the API on this machine alone, by the service itself or the one whose network it shares."""
    for process, variable in (("admin", "ADMIN_PORT"), ("api", "API_PORT")):
        for name in (process, f"{process}-simulated"):
            port = services[name]["environment"][variable]
            holder = services[name].get("network_mode", "").removeprefix("service:") or name
            assert f"127.0.0.1:{port}:{port}" in services[holder]["ports"], name


def test_kafka_and_mongodb_are_asked_and_named_by_one_port(services: dict[str, Any]) -> None:
    """The address that the processes are given is the one that the server listens on and that its check asks."""
    kafka, mongodb = services["kafka"], services["mongodb"]
    given = {
        name: re.sub(rf"^\$\{{{name}:-(.*)\}}$", r"\1", value)
        for name, value in services["webhook"]["environment"].items()
    }
    assert kafka["environment"]["KAFKA_ADVERTISED_LISTENERS"] == f"PLAINTEXT://{given['KAFKA_BOOTSTRAP_SERVERS']}"
    port = given["KAFKA_BOOTSTRAP_SERVERS"].partition(":")[2]
    assert f":{port}," in kafka["environment"]["KAFKA_LISTENERS"]
    assert kafka["healthcheck"]["test"][-1] == f"localhost:{port}"
    assert kafka["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
    assert given["MONGODB_URI"] == "mongodb://mongodb:27017/?replicaSet=rs0"
    check = mongodb["healthcheck"]["test"]
    assert "27017" in check
    assert 'host: "mongodb:27017"' in check[-1]
    assert mongodb["command"][1:3] == ["--replSet", "rs0"]


def test_nothing_starts_before_what_it_needs(services: dict[str, Any]) -> None:
    """Servers first, and healthy; each has a check of its own."""
    for name, one in ours(services).items():
        needed = {"kafka", "mongodb"} | ({"org"} if "simulated" in one.get("profiles", []) else set())
        assert one["depends_on"] == {server: {"condition": "service_healthy"} for server in needed}, name
        assert all("healthcheck" in services[server] for server in needed), name


def test_a_process_may_finish_what_it_has_in_hand(services: dict[str, Any]) -> None:
    """It is killed later than it gives up by itself."""
    for name, one in ours(services).items():
        assert int(one["stop_grace_period"].removesuffix("s")) > TelemetrySettings().ops_stop_seconds, name


def test_what_is_kept_is_in_named_volumes(compose: dict[str, Any], services: dict[str, Any]) -> None:
    """Taking the containers away takes no data away."""
    kept = [volume.partition(":")[0] for one in services.values() for volume in one.get("volumes", [])]
    named = {volume for volume in kept if not volume.startswith(".")}
    assert named == set(compose["volumes"])
    assert {"kafka", "mongodb"} <= named


def test_images_come_from_the_public_registry_by_tag(services: dict[str, Any], dockerfile: str) -> None:
    """No private registry, nothing that moves under us."""
    for name, one in services.items():
        image, _, tag = one["image"].partition(":")
        assert tag not in {"", "latest"}, name
        assert image in PUBLIC_IMAGES or "build" in one, name
    bases = re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)
    stages = set(re.findall(r"^FROM \S+ AS (\S+)", dockerfile, re.MULTILINE))
    assert [base for base in bases if base not in stages] == ["python:3.13-slim-bookworm"]
    targets = {one["build"]["target"] for one in services.values() if "build" in one}
    assert targets == {"tandem", "simulator"} <= stages
    assert bases[-1] == "runtime", "the last stage is what is built by default"


def test_the_image_runs_as_nobody_special_and_compiles_nothing(dockerfile: str) -> None:
    """No root, no compiler, no package manager's leftovers; the folders copied are those of the wheel."""
    runtime = dockerfile[dockerfile.index("AS runtime") :]
    assert re.search(r"^USER 10001:10001$", runtime, re.MULTILINE)
    assert "apt-get" not in dockerfile
    assert not re.search(r"pip install (?!--no-deps dist)(?!.*--only-binary=:all:)", dockerfile)
    assert not re.search(r"index-url|trusted-host|https?://", dockerfile)
    packages = set(
        re.search(r"^packages = \[(.*)\]$", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[1].split(", ")
    )
    assert {f'"{copied}"' for copied in re.findall(r"^COPY (\w+) \1$", dockerfile, re.MULTILINE)} == packages
    assert set(re.findall(r"([A-Z]+_[A-Z]+)=", runtime)) - {"PYTHONUNBUFFERED"} <= SETTINGS
    assert re.search(r'HEALTHCHECK .* CMD \["python", "-m", "ops.probe", "health"\]', runtime)


def test_the_ignore_file_lets_in_what_the_recipe_copies(dockerfile: str) -> None:
    """And neither settings nor data."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert lines[1] == "*"
    allowed = {line[1:] for line in lines if line.startswith("!")}
    copied = {
        word for line in re.findall(r"^COPY (?!--from)(.+)$", dockerfile, re.MULTILINE) for word in line.split()[:-1]
    }
    assert copied == allowed


def test_the_simulators_one_requirement_is_found_in_the_lock(dockerfile: str) -> None:
    """By the line that the recipe looks for, with its hashes."""
    assert "/^lark==/" in dockerfile
    lock = ROOT / "requirements" / "demo.txt"
    assert re.search(
        r"^lark==\S+ \\\n(    --hash=sha256:\w+ \\\n)*    --hash=sha256:\w+$", lock.read_text(), re.MULTILINE
    )
