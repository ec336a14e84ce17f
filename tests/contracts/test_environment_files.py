""".env.example, docker-compose.yaml and the Dockerfile against the settings, the specification and each other."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from typing import Any

import pytest
import yaml
from airflow.configuration import conf

from cli.demo import load as load_demo
from cli.instance.ports import VARIABLES as PORTS
from midnight.settings import PREFIX, REPOSITORY, Settings, load_settings

COMPOSE = REPOSITORY / "docker-compose.yaml"
COMPOSE_TEXT = COMPOSE.read_text()


def example_variables() -> dict[str, str]:
    """Variables of .env.example, including those that are commented out."""
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


def test_the_unchanged_example_equals_the_defaults():
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


def test_compose_passes_every_setting(compose):
    """Except for those that the image sets."""
    environment = compose["x-airflow"]["environment"]
    own = {"MIDNIGHT_CONFIG", "MIDNIGHT_LAKE", "MIDNIGHT_ENGINE"}
    fields = {PREFIX + name.upper() for name in Settings.model_fields} - own
    assert fields - set(environment) == set()


def test_passwords_are_files_and_not_in_the_environment_of_a_container(compose):
    """Compose does not start a container whose secret has no value, and ``docker inspect`` does not show files."""
    sources = {name: secret["environment"] for name, secret in compose["secrets"].items()}
    assert set(sources.values()) <= set(example_variables())
    assert {value for name, value in example_variables().items() if name in sources.values()} == {""}
    used = {name for service in compose["services"].values() for name in service.get("secrets", [])}
    assert used == sources.keys()
    for service in compose["services"].values():
        text = yaml.safe_dump(service.get("environment", {}))
        assert set(re.findall(r"/run/secrets/(\w+)", text)) <= set(service.get("secrets", []))
        shown = set(re.findall(r"\$\{(\w+)", text)) & (set(sources.values()) - {"COMPOSE_READER_PASSWORD"})
        assert shown == set()  # the demo's reader is in the demo's connection


def test_airflow_reads_its_secrets_from_the_files(compose, tmp_path):
    """The commands as Airflow runs them, with another folder instead of /run/secrets."""
    for name in compose["secrets"]:
        (tmp_path / name).write_text(f"{name}-value")
    commands = {n: v for n, v in compose["x-airflow"]["environment"].items() if n.endswith("_CMD")}
    printed = {}
    for name, command in commands.items():
        line = shlex.split(command.replace("$$", "$").replace("/run/secrets", str(tmp_path)))
        printed[name] = subprocess.run(line, capture_output=True, text=True, check=True).stdout.strip()
    assert printed == {
        "AIRFLOW__CORE__FERNET_KEY_CMD": "fernet_key-value",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD": "postgresql+psycopg2://airflow:metadata_password-value@metadata/airflow",
        "AIRFLOW__API__SECRET_KEY_CMD": "api_secret-value",
        "AIRFLOW__API_AUTH__JWT_SECRET_CMD": "jwt_secret-value",
    }
    options = conf.sensitive_config_values
    for name in commands:
        _, section, option = name.removesuffix("_CMD").lower().split("__")
        assert (section, option) in options, name  # Airflow runs the commands of these options only


def interpolated(text: str, values: dict[str, str]) -> str:
    """``${A:-default}`` and ``${A:+replacement}``, innermost first, as Compose does."""
    form = re.compile(r"\$\{(\w+)(?::([-+])([^${}]*))?\}")
    while found := form.search(text):
        value, kind, other = values.get(found[1], ""), found[2], found[3] or ""
        text = text.replace(found[0], (other if value else "") if kind == "+" else value or other, 1)
    return text


def test_the_demo_is_a_separate_profile(compose):
    demo = {name for name, service in compose["services"].items() if service.get("profiles") == ["demo"]}
    assert demo == {"source", "load-demo"}
    for name, service in compose["services"].items():
        for other, how in service.get("depends_on", {}).items() if name not in demo else ():
            assert other not in demo or how["required"] is False, name
    connection = compose["x-airflow"]["environment"]["AIRFLOW_CONN_MIDNIGHT_SOURCE"]
    assert interpolated(connection, {}) == ""
    password = {"COMPOSE_READER_PASSWORD": "p"}
    assert interpolated(connection, password) == "postgresql://midnight_reader:p@source:5432/nycflights"
    assert interpolated(connection, {**password, "AIRFLOW_CONN_MIDNIGHT_SOURCE": "x://y"}) == "x://y"


def test_the_demo_is_not_loaded_for_azure(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("MIDNIGHT_PROFILE", "azure")
    assert load_demo.main() == 2
    assert "without --profile demo" in capsys.readouterr().err
    monkeypatch.setenv("MIDNIGHT_PROFILE", "local")
    (tmp_path / "password").write_text("p\n")
    monkeypatch.setenv("DEMO_PASSWORD_FILE", str(tmp_path / "password"))
    assert load_demo.main() == 2
    assert "DEMO_HOST, DEMO_PORT, DEMO_USER, DEMO_READER_PASSWORD must be set;" in capsys.readouterr().err


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
    given = {name.removesuffix("_FILE") for name in compose["services"]["load-demo"]["environment"]}
    assert set(load_demo.VARIABLES) <= given
