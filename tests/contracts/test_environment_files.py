""".env.example, docker-compose.yaml and the Dockerfile against the settings, the specification and each other."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.load_demo import VARIABLES as DEMO
from local.ports import VARIABLES as PORTS
from midnight.settings import PREFIX, Settings, load_settings

REPOSITORY = Path(__file__).resolve().parents[2]
COMPOSE = REPOSITORY / "docker-compose.yaml"
COMPOSE_TEXT = COMPOSE.read_text()


def example_variables() -> dict[str, str]:
    """Variables of .env.example, also those that are commented out."""
    lines = (REPOSITORY / ".env.example").read_text().splitlines()
    found = [re.fullmatch(r"#?([A-Z][A-Z0-9_]*)=(.*)", line) for line in lines]
    names = [match.group(1) for match in found if match]
    assert sorted(set(names)) == sorted(names), "a variable is given twice"
    return {match.group(1): match.group(2) for match in found if match}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)
    return loaded


def test_every_setting_is_in_the_example_and_nothing_else():
    fields = {PREFIX + name.upper() for name in Settings.model_fields}
    listed = {name for name in example_variables() if name.startswith(PREFIX)}
    assert fields | set(PORTS.values()) == listed


def test_the_example_as_it_is_changes_nothing():
    assert load_settings({}) == load_settings(example_variables())


def test_the_example_has_no_secret():
    secret = {
        n: v
        for n, v in example_variables().items()
        if re.search(r"PASSWORD|SECRET|KEY|TOKEN", n) and "BACKEND" not in n
    }
    assert set(secret.values()) == {""}


def test_compose_follows_the_specification():
    """The schema comes with check-jsonschema, a copy of the one that the Compose project publishes."""
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "ok -- validation done\n")


def test_every_variable_of_compose_is_in_the_example():
    used = set(re.findall(r"(?<!\$)\$\{([A-Z0-9_]+)", COMPOSE_TEXT))
    assert used - set(example_variables()) == set()


def test_compose_hands_every_setting_on(compose):
    """But those that the image decides itself."""
    environment = compose["x-airflow"]["environment"]
    own = {"MIDNIGHT_CONFIG", "MIDNIGHT_LAKE", "MIDNIGHT_ENGINE"}
    fields = {PREFIX + name.upper() for name in Settings.model_fields} - own
    assert fields - set(environment) == set()


def test_a_variable_without_a_default_is_demanded(compose):
    secret = re.findall(r"\$\{(COMPOSE_[A-Z_]*(?:PASSWORD|SECRET|KEY))([^}]*)\}", COMPOSE_TEXT)
    assert {rest for _, rest in secret} == {":?set it in .env, see .env.example"}


def test_bind_mounts_exist_and_named_volumes_are_declared(compose):
    for name, service in compose["services"].items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (REPOSITORY / source).is_dir(), f"{name} mounts {source}"
            else:
                assert source in compose["volumes"]


def test_the_services_of_airflow_3(compose):
    services = compose["services"]
    assert {"api-server", "scheduler", "dag-processor", "triggerer", "migrate", "metadata", "source"} <= set(services)
    for name, service in services.items():
        assert "healthcheck" in service or service.get("restart") == "no", name
        for other in service.get("depends_on", {}):
            assert other in services


def test_ports_are_bound_to_loopback(compose):
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_image_is_the_airflow_of_the_lock_file_and_checks_hashes(compose):
    dockerfile = (REPOSITORY / "Dockerfile").read_text()
    locked = re.search(r"^apache-airflow==([\d.]+)", (REPOSITORY / "requirements.txt").read_text(), re.MULTILINE)

    assert locked
    assert f"FROM apache/airflow:{locked.group(1)}-python3.11" in dockerfile
    assert "--require-hashes" in dockerfile
    assert {s["image"] for s in compose["services"].values() if "build" in s} == {f"midnight-airflow:{locked.group(1)}"}


def test_the_image_copies_what_exists_and_the_build_context_has_it():
    copied = re.findall(r"^COPY --chown=\S+ (\S+)", (REPOSITORY / "Dockerfile").read_text(), re.MULTILINE)
    context = (REPOSITORY / ".dockerignore").read_text().splitlines()

    assert copied
    assert [name for name in copied if not (REPOSITORY / name).exists() or f"!{name}" not in context] == []


def test_the_demo_loader_gets_its_variables(compose):
    assert set(DEMO) <= set(compose["services"]["load-demo"]["environment"])
