"""Each fault of a setup is provoked, and the doctor names it with its hint."""

from __future__ import annotations

import http.server
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import ClassVar

import duckdb
import pytest
from rich.console import Console

from cli.checks import airflow, azure, azure_connections, configuration, engine, machine
from cli.checks.azure_connections import (
    AIRFLOWS_KEY_VAULT,
    BACKEND,
    KEY_VAULT,
    KEYWORDS,
    WantedConnection,
    find_connections,
)
from cli.checks.finding import Check, Finding, run_checks
from cli.commands import doctor
from cli.instance.folder import Instance
from midnight.errors import ConfigurationError, ConfigurationProblem, Diagnosis, SourceError
from midnight.settings import REPOSITORY, load_settings


def states(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.name, finding.state) for finding in findings]


# --- running checks ---------------------------------------------------------------------------------------------------


def test_checks_run_side_by_side_and_keep_their_order():
    all_at_once = threading.Barrier(6)

    def check(name: str) -> Check:
        def run() -> list[Finding]:
            all_at_once.wait(20)  # breaks, unless all six are at work at one time
            return [Finding.ok(name, "")]

        return Check(name, run)

    found = run_checks([check(name) for name in "abcdef"])
    assert states(found) == [(name, "ok") for name in "abcdef"]


def test_a_check_that_hangs_or_breaks_does_not_hide_the_others():
    problems = [ConfigurationProblem("a.yml", 3, "x", "is wrong"), ConfigurationProblem("b.yml", None, "", "is gone")]

    def fail(error: BaseException) -> Check:
        def run() -> list[Finding]:
            raise error

        return Check(type(error).__name__, run)

    ended: list[str] = []
    found = run_checks(
        [
            Check("hangs", lambda: time.sleep(30) or [], 0.2),
            fail(SourceError("the server is away; start it")),
            fail(ConfigurationError(problems)),
            fail(ZeroDivisionError("division by zero")),
        ],
        lambda check: ended.append(check.name),
    )
    assert [(finding.state, finding.found) for finding in found] == [
        ("fail", "no answer within 0 s"),
        ("fail", "the server is away; start it"),
        ("fail", "a.yml:3: x: is wrong"),
        ("fail", "b.yml: is gone"),
        ("fail", "the check itself failed: ZeroDivisionError: division by zero"),
    ]
    assert sorted(ended) == ["ConfigurationError", "SourceError", "ZeroDivisionError", "hangs"]


@pytest.mark.parametrize("width", [80, 120])
def test_findings_fit_the_page_and_are_whole_when_piped(width):
    found = [
        Finding.fail("source", "a long message " * 12 + "END", "a long hint " * 12 + "HINT"),
        Finding("disk", "ok", Diagnosis("1 GB", "not shown")),
        Finding.warn("clock", "an escape \x1b[31m sequence"),
    ]
    text = io.StringIO()
    doctor.print_findings(Console(file=text, width=width, highlight=False), found)
    lines = text.getvalue().splitlines()
    assert max(len(line) for line in lines) <= width
    assert ("END" in text.getvalue(), "HINT" in text.getvalue(), "not shown" in text.getvalue()) == (True, True, False)
    assert ("\x1b" in text.getvalue(), lines[-1]) == (False, "✗ 1 of 3 failed")


# --- machine ----------------------------------------------------------------------------------------------------------


def test_python_versions():
    versions = [(3, 10, 1), (3, 11, 0), (3, 12, 9), (3, 14, 0)]
    assert [machine.check_python(v)[0].state for v in versions] == ["fail", "ok", "ok", "warn"]


def test_packages_that_are_not_those_of_the_lock(tmp_path):
    lock = tmp_path / "requirements.txt"
    lock.write_text(
        "# comment\nrich==0.0.1 \\\n    --hash=sha256:00\nno-such-package-here==1.0 \\\n    --hash=sha256:00\n"
        "colorama==0.1 ; sys_platform == 'win32' \\\n    --hash=sha256:00\n"
    )
    (found,) = machine.check_packages(lock)
    assert (
        found.state,
        "(wanted 0.0.1)" in found.found,
        "no-such-package-here is missing" in found.found,
        "colorama" in found.found,
    ) == ("fail", True, True, False)


def test_the_real_lock_can_be_read():
    assert machine.read_lock(REPOSITORY / "requirements.txt")["apache-airflow"] == "3.3.2"


def test_a_folder_that_cannot_be_written_or_is_not_ours(tmp_path):
    (tmp_path / "file").write_text("")
    settings = load_settings({"MIDNIGHT_HOME": str(tmp_path / "file" / "home")})
    assert ("instance folder", "fail") in states(machine.check_folders(settings))
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("")
    found = machine.check_folders(load_settings({"MIDNIGHT_HOME": str(foreign)}))
    assert "contains other files" in " ".join(finding.found for finding in found)
    assert [path.name for path in foreign.iterdir()] == ["thesis.txt"]


def test_a_lake_that_the_engine_cannot_use(tmp_path):
    found = machine.check_folders(load_settings({"MIDNIGHT_HOME": str(tmp_path / "my home")}))
    assert ("lake folder", "fail") in states(found)
    assert "set MIDNIGHT_LAKE" in " ".join(finding.hint for finding in found)


@pytest.mark.parametrize(("free", "state"), [(1e8, "fail"), (3e9, "warn"), (9e9, "ok")])
def test_disk_space(tmp_path, monkeypatch, free, state):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    found = machine.check_folders(load_settings({"MIDNIGHT_HOME": str(tmp_path / "home")}))
    assert states(found)[-1] == ("disk space", state)


def test_a_port_that_somebody_else_has(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        environment = {"MIDNIGHT_AIRFLOW_PORT": str(port)}
        found = machine.check_ports(Instance(tmp_path / "home"), {}, environment)
    assert states(found) == [("port of airflow", "fail"), ("port of source", "ok")]
    assert f"port {port} (MIDNIGHT_AIRFLOW_PORT) is in use" in found[0].found


# --- configuration ----------------------------------------------------------------------------------------------------


def test_all_wrong_variables_at_once():
    settings, found = configuration.check_settings(
        {"MIDNIGHT_ENGINE": "flink", "MIDNIGHT_PROFILE": "aws", "MIDNIGHT_HOEM": "/tmp"}  # noqa: S108
    )
    assert (settings, sorted(states(found))) == (
        None,
        [("settings", "fail"), ("settings", "fail"), ("settings", "warn")],
    )
    assert "MIDNIGHT_HOEM" in found[0].found


def test_all_problems_of_the_configuration_at_once(tmp_path):
    shutil.copytree(REPOSITORY / "include", tmp_path / "include")
    tables = tmp_path / "include" / "tables"
    (tables / "public.airlines.yml").write_text("schema: public\ntable: airlines\nsilvr: airlines\n")
    settings = load_settings({"MIDNIGHT_CONFIG": str(tmp_path / "include")})
    loaded, found = configuration.check_files(settings)
    assert (loaded, states(found).count(("configuration", "fail")) >= 3) == (None, True)
    assert "tables/public.airlines.yml:3: silvr" in " ".join(finding.found for finding in found)


def test_a_wrong_view_and_a_wrong_model_are_findings_of_their_own(tmp_path):
    shutil.copytree(REPOSITORY / "include", tmp_path / "include")
    settings = load_settings({"MIDNIGHT_CONFIG": str(tmp_path / "include")})
    loaded, found = configuration.check_files(settings)
    assert loaded is not None
    assert {state for _, state in states(found)} == {"ok"}
    (tmp_path / "include" / "sql" / "serving" / "x.sql").write_text("CREATE OR ALTER VIEW reporting.x AS SELEC 1")
    (tmp_path / "include" / "sql" / "gold" / "x.sql").write_text("SELECT 1 AS a FROM silver.nowhere")
    loaded, found = configuration.check_files(settings)
    assert loaded is not None  # the source can be looked at all the same
    wrong = [name for name, state in states(found) if state == "fail"]
    assert wrong == ["gold models", "gold models", "reporting views"]


# --- engine, serving, Airflow -----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_sail_starts():
    assert states(engine.check_engine(load_settings({}))) == [("engine sail", "ok")]


def test_java_that_is_missing_or_old(tmp_path, monkeypatch):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert states(engine.check_java()) == [("Java", "fail")]
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"1.8.0_392\"' >&2\n")
    java.chmod(0o755)
    (found,) = engine.check_java()
    assert (found.state, found.found) == ("fail", f"{java} is version 8")
    assert states(engine.check_engine(load_settings({"MIDNIGHT_ENGINE": "spark"}))) == [("Java", "fail")]


def test_the_file_that_readers_open(tmp_path):
    settings = load_settings({"MIDNIGHT_HOME": str(tmp_path)})
    assert states(engine.check_serving(settings)) == [("serving", "warn")]
    with duckdb.connect(str(settings.serving_database)) as connection:
        connection.execute("CREATE SCHEMA gold; CREATE VIEW gold.x AS SELECT 1 AS a")
    assert states(engine.check_serving(settings)) == [("serving", "ok")]
    settings.serving_database.write_bytes(b"not a database" * 1000)
    assert states(engine.check_serving(settings)) == [("serving", "fail")]


@pytest.mark.slow
def test_a_dag_that_does_not_import(tmp_path):
    (tmp_path / "broken.py").write_text("from airflow.sdk import DAG\nimport no_such_module\n")
    (found,) = airflow.import_dags(tmp_path)
    assert (found.state, "No module named 'no_such_module'" in found.found) == ("fail", True)


def test_services_that_ended_and_an_instance_that_was_never_made(tmp_path):
    instance = Instance(tmp_path / "home")
    instance.create()
    settings = load_settings({"MIDNIGHT_HOME": str(instance.home)})
    assert states(airflow.check_services(instance, settings, {})) == [("Airflow", "warn")]
    found = airflow.check_services(instance, settings, {"api-server": True, "scheduler": False})
    assert (states(found), "scheduler ended" in found[0].found) == ([("Airflow", "fail")], True)


def test_the_command_says_all_and_ends_with_1(tmp_path):
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MIDNIGHT_")},
        "MIDNIGHT_HOME": str(tmp_path / "home"),
        "MIDNIGHT_ENGINE": "flink",
        "COLUMNS": "80",
    }
    answer = subprocess.run(
        [sys.executable, "-m", "cli", "doctor"],
        env=environment,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (answer.returncode, answer.stderr, list(tmp_path.iterdir())) == (1, "", [])
    assert "MIDNIGHT_ENGINE" in answer.stdout
    assert "failed" in answer.stdout.splitlines()[-1]


# --- Azure ------------------------------------------------------------------------------------------------------------

SOURCE = WantedConnection("midnight_source", "the source database", ("host", "schema", "login", "password"))


class FakeBackend:
    """A secrets backend whose answer the test chooses."""

    answer: ClassVar[str | Exception | None] = None

    def get_conn_value(self, conn_id: str) -> str | None:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def http_error(status: int) -> Exception:
    from azure.core.exceptions import HttpResponseError

    error = HttpResponseError("(Forbidden) The user does not have secrets get permission")
    error.status_code = status
    return error


def client_error(name: str) -> Exception:
    from azure.core import exceptions

    return getattr(exceptions, name)("it did not work")


@pytest.mark.parametrize(
    ("answer", "state", "words"),
    [
        (lambda: http_error(403), "fail", "Key Vault Secrets User"),
        (lambda: http_error(429), "fail", "throttles requests (429)"),
        (lambda: client_error("ClientAuthenticationError"), "fail", "AZURE_CLIENT_ID"),
        (lambda: client_error("ServiceRequestError"), "fail", "is not reachable"),
        (lambda: None, "fail", "airflow-connections-midnight-source"),
        (lambda: "{broken s3cr3t", "fail", "neither JSON nor a URI"),
        (lambda: '{"conn_type": "postgres", "host": "h", "password": "s3cr3t"}', "fail", "without schema, login"),
        (lambda: "postgres://u:s3cr3t@h/d", "ok", "in the secrets backend"),
    ],
)
def test_what_the_secrets_backend_really_says(monkeypatch, answer, state, words):
    monkeypatch.setattr(azure_connections, "import_module", lambda name: SimpleNamespace(FakeBackend=FakeBackend))
    monkeypatch.setattr(FakeBackend, "answer", answer())
    _, found = find_connections([SOURCE], {BACKEND: "x.FakeBackend", KEYWORDS: ""})
    text = " ".join(f"{finding.found} {finding.hint}" for finding in found)
    assert (found[-1].state, words in text, "s3cr3t" in text) == (state, True, False)


def test_a_connection_of_the_environment_counts_only_without_a_backend(monkeypatch):
    monkeypatch.setattr(azure_connections, "import_module", lambda name: SimpleNamespace(FakeBackend=FakeBackend))
    monkeypatch.setattr(FakeBackend, "answer", None)
    environment = {BACKEND: "x.FakeBackend", "AIRFLOW_CONN_MIDNIGHT_SOURCE": "postgres://u:p@h/d"}
    usable, found = find_connections([SOURCE], environment)
    words = "for the source database: not in the secrets backend"
    assert (list(usable), found[-1].state, found[-1].found) == ([], "fail", words)
    usable, found = find_connections([SOURCE], {"AIRFLOW_CONN_MIDNIGHT_SOURCE": "postgres://u:p@h/d"})
    assert (list(usable), found[-1].found) == (["midnight_source"], "for the source database: in the environment")


def test_a_vault_that_cannot_be_reached():
    """The real backend and Azure's real client, and a port where nobody listens."""
    keywords = {"vault_url": "https://127.0.0.1:1/", "retry_total": 0, "tenant_id": "t", "client_id": "c"}
    keywords["client_secret"] = "s3cr3t"
    _, found = find_connections([SOURCE], {BACKEND: KEY_VAULT, KEYWORDS: json.dumps(keywords)})
    text = " ".join(f"{finding.found} {finding.hint}" for finding in found)
    assert (found[-1].state, "from Key Vault 127.0.0.1: the vault is not reachable" in text, "s3cr3t" in text) == (
        "fail",
        True,
        False,
    )


@pytest.mark.slow
def test_the_backend_in_a_process_that_has_not_imported_airflow():
    """Airflow imports its backend while it is imported itself: who comes first decides whether that works."""
    script = (
        "from cli.checks.azure_connections import WantedConnection, find_connections\n"
        "print(find_connections([WantedConnection('midnight_source', 'x')])[1][-1].found)"
    )
    keywords = {"vault_url": "https://127.0.0.1:1/", "retry_total": 0, "config_prefix": None}
    keywords |= {"tenant_id": "t", "client_id": "c", "client_secret": "s3cr3t"}
    environment = {**os.environ, BACKEND: KEY_VAULT, KEYWORDS: json.dumps(keywords)}
    environment["PYTHONPATH"] = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "plugins")])
    answer = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert "from Key Vault 127.0.0.1: the vault is not reachable" in answer.stdout, answer.stderr


@pytest.mark.parametrize(
    ("environment", "state", "words"),
    [
        ({}, "warn", "is not set"),
        ({BACKEND: "no.such.Backend"}, "fail", "No module named"),
        ({BACKEND: KEY_VAULT, KEYWORDS: '{"client_secret": "s3cr3t"'}, "fail", "not valid JSON"),
        ({BACKEND: KEY_VAULT, KEYWORDS: '{"vault_url": "http://v"}'}, "fail", "vault_url is 'http://v'"),
        ({BACKEND: KEY_VAULT, f"{KEYWORDS[:-1]}__SEP": "-"}, "warn", "are strings"),
        ({BACKEND: AIRFLOWS_KEY_VAULT, KEYWORDS: '{"vault_url": "https://v"}'}, "warn", "isn't defined"),
    ],
)
def test_a_backend_that_is_configured_wrongly(environment, state, words):
    _, found = azure_connections.open_backend(environment)
    text = " ".join(finding.found for finding in found)
    assert (found[0].state, words in text, "s3cr3t" in text) == (state, True, False)


@pytest.fixture
def storage() -> Iterator[SimpleNamespace]:
    """A server that answers every request with the status that the test sets, as Azure Storage words it."""
    chosen = SimpleNamespace(status=412, code="ConditionNotMet", seen=[])

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            chosen.seen.append((self.command, self.headers.get("If-Match")))
            body = f"<?xml version='1.0'?><Error><Code>{chosen.code}</Code><Message>m</Message></Error>".encode()
            self.send_response(chosen.status)
            self.send_header("x-ms-error-code", chosen.code)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            body = b"<?xml version='1.0'?><EnumerationResults><Blobs/><NextMarker/></EnumerationResults>"
            self.send_response(200)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        chosen.url = f"http://127.0.0.1:{server.server_address[1]}/account"
        yield chosen
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "code", "state", "words"),
    [
        (412, "ConditionNotMet", "ok", "can be read and written"),
        (403, "AuthorizationPermissionMismatch", "fail", "Storage Blob Data Contributor"),
        (404, "ContainerNotFound", "fail", "has no container 'bronze'"),
        (409, "ContainerBeingDeleted", "fail", "ContainerBeingDeleted"),
    ],
)
def test_whether_the_lake_can_be_written(storage, status, code, state, words):
    from azure.storage.blob import BlobServiceClient

    storage.status, storage.code = status, code
    key = {"account_name": "account", "account_key": "a2V5"}
    with BlobServiceClient(storage.url, key, retry_total=0) as service:
        found = azure.check_container(service, "bronze")
    assert (found.state, words in f"{found.found} {found.hint}") == (state, True)
    assert storage.seen == [("PUT", '"0x0"')]


def test_a_lake_without_an_identity(monkeypatch):
    """Azure's real client asks for a token where nobody listens; no other kind of identity is tried."""
    for name, value in {
        "AZURE_TOKEN_CREDENTIALS": "EnvironmentCredential",
        "AZURE_AUTHORITY_HOST": "https://127.0.0.1:1",
        "AZURE_TENANT_ID": "00000000-0000-0000-0000-000000000001",
        "AZURE_CLIENT_ID": "client",
        "AZURE_CLIENT_SECRET": "s3cr3t",
    }.items():
        monkeypatch.setenv(name, value)
    (found,) = azure.check_lake(load_settings(AZURE), None)
    assert (found.name, found.state, "no identity" in found.found, "s3cr3t" in found.found) == (
        "lake",
        "fail",
        True,
        False,
    )


def test_a_lake_that_cannot_be_reached():
    from azure.storage.blob import BlobServiceClient

    key = {"account_name": "account", "account_key": "a2V5"}
    with BlobServiceClient("http://127.0.0.1:1/account", key, retry_total=0) as service:
        found = azure.check_container(service, "bronze")
    assert (found.state, "cannot be reached" in found.found) == ("fail", True)


AZURE = {
    "MIDNIGHT_PROFILE": "azure",
    "MIDNIGHT_STORAGE_ACCOUNT": "account",
    "MIDNIGHT_DATABRICKS_JOB_ID": "7",
    "MIDNIGHT_ADF_FACTORY": "factory",
    "MIDNIGHT_ADF_RESOURCE_GROUP": "group",
    "MIDNIGHT_POWERBI_DATASET_ID": "dataset",
    "MIDNIGHT_POWERBI_GROUP_ID": "workspace",
}


def test_the_connections_that_the_azure_profile_needs():
    wanted = azure_connections.wanted_connections(load_settings({**AZURE, "MIDNIGHT_LAKE_CONNECTION": "lake"}), "src")
    assert [connection.id for connection in wanted] == [
        "src",
        "midnight_databricks",
        "midnight_synapse",
        "midnight_data_factory",
        "midnight_power_bi",
        "lake",
    ]


@pytest.fixture
def mocker_of(monkeypatch):
    """Replaces a hook class by an autospec of it, and gives the instance that the check will get."""
    import importlib
    from unittest import mock

    def replace(path: str) -> mock.Mock:
        module, _, name = path.rpartition(".")
        owner = importlib.import_module(module)
        fake = mock.create_autospec(getattr(owner, name))
        monkeypatch.setattr(owner, name, fake)
        return fake.return_value

    return replace
