"""The path of the masking key: from Airflow's variable to a local job, from a secret scope to a Databricks job."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import threading
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import midnight.settings
from cli.instance.folder import Instance
from midnight.configuration.files import load_configuration
from midnight.configuration.tables import Table
from midnight.errors import ConfigurationError
from midnight.masking import GENERATE_KEY_COMMAND, KEY_SECRET, KEY_VARIABLE, parse_key
from midnight.run.document import RunDocument, TableWork
from midnight.settings import load_settings, python_path
from midnight_airflow.masking_key import check_masking_key
from midnight_airflow.operators.local_spark_job import LocalSparkJobOperator
from midnight_airflow.run_context import batch_id
from spark_jobs.runtime.masking_key import find_masking_key, read_first_line
from tests.support.airflow_environment import REPOSITORY

KEY = secrets.token_hex(32)
TABLE = {
    "schema": "public",
    "table": "people",
    "silver": "people",
    "on_schema_change": "freeze",
    "columns": [{"name": "email", "type": "text", "mask": "pseudonym"}],
}
PEOPLE = Table.model_validate(TABLE)
# A job that reads its first line, and writes what it can see of its own process.
JOB = """
import json, os, sys, time
sys.path[:0] = {path!r}
from spark_jobs.runtime.masking_key import read_first_line
line = read_first_line()
seen = {{"line": line, "arguments": sys.argv, "environment": dict(os.environ)}}
print("begins")
open({seen!r}, "w").write(json.dumps(seen))
"""


@pytest.fixture
def include(tmp_path, monkeypatch):
    folder = tmp_path / "include"
    (folder / "tables").mkdir(parents=True)
    (folder / "pipeline.yml").write_text("source: {name: shop}\n")
    (folder / "tables" / "public.people.yml").write_text(json.dumps(TABLE))
    monkeypatch.setenv("MIDNIGHT_CONFIG", str(folder))
    monkeypatch.delenv("AIRFLOW_VAR_MIDNIGHT_MASKING_KEY", raising=False)
    return folder


def problems(include: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        check_masking_key(load_configuration(include), [])
    return [str(problem) for problem in caught.value.problems]


def test_a_run_without_a_key_is_stopped_with_the_line_of_the_column(local_home, include):
    assert problems(include) == [
        f"tables/public.people.yml:1: columns[0].mask: needs the key in the Airflow variable {KEY_VARIABLE}, which "
        f"does not exist or is empty; hint: generate one with {GENERATE_KEY_COMMAND}"
    ]


def test_a_weak_key_is_refused_and_a_good_one_is_not(azure, include, monkeypatch):
    monkeypatch.setenv("AIRFLOW_VAR_MIDNIGHT_MASKING_KEY", "short")
    (only,) = problems(include)
    assert only.endswith(f"which is not hexadecimal; hint: generate one with {GENERATE_KEY_COMMAND}")
    monkeypatch.setenv("AIRFLOW_VAR_MIDNIGHT_MASKING_KEY", KEY)
    check_masking_key(load_configuration(include), [])


def test_the_key_is_not_read_when_nothing_is_masked(local_home, include, monkeypatch):
    monkeypatch.setattr("midnight_airflow.masking_key._read_variable", lambda: pytest.fail("the key was read"))
    (include / "tables" / "public.people.yml").write_text(json.dumps(TABLE).replace(', "mask": "pseudonym"', ""))
    check_masking_key(load_configuration(include), [])


def test_a_local_job_gets_the_key_only_through_its_standard_input(local_home, include, monkeypatch, dag_run, capfd):
    code, seen = local_home / "code", local_home / "seen.json"
    (code / "spark_jobs").mkdir(parents=True)
    (code / "spark_jobs" / "__init__.py").touch()
    path = [str(REPOSITORY), str(REPOSITORY / "plugins")]
    job = f"import sys; sys.modules.pop('spark_jobs')\n{JOB.format(path=path, seen=str(seen))}"
    (code / "spark_jobs" / "bronze_to_silver.py").write_text(job)
    monkeypatch.setattr(midnight.settings, "REPOSITORY", code)
    monkeypatch.setenv("AIRFLOW_VAR_MIDNIGHT_MASKING_KEY", f"{KEY}\n")
    operator = LocalSparkJobOperator(task_id="silver.bronze_to_silver", step="bronze_to_silver", retries=0)
    context = dag_run.try_task(operator)
    paths = load_settings().paths
    document = RunDocument(
        batch_id=batch_id(context), run_id="r", lake=paths.as_dict(), tables=(TableWork(table=PEOPLE, batches=()),)
    )
    written = Path(paths.run_document(batch_id(context)))
    written.parent.mkdir(parents=True)
    written.write_text(document.to_json())
    operator.execute(context)

    found = json.loads(seen.read_text())
    assert found.pop("line") == KEY
    assert json.loads(found["arguments"][1])["masking_key"] == "stdin"
    assert KEY not in json.dumps(found)
    log = capfd.readouterr().out
    assert ("begins" in log, KEY in log, KEY in written.read_text()) == (True, False, False)


def test_what_follows_the_first_line_stays_for_the_lifeline():
    reading, writing = os.pipe()
    os.write(writing, f"{KEY}\nx".encode())
    assert (read_first_line(reading), os.read(reading, 10)) == (KEY, b"x")
    os.close(writing)
    assert read_first_line(reading) == ""
    os.close(reading)


class Workspace(BaseHTTPRequestHandler):
    """``GET /api/2.0/secrets/get`` of a workspace (https://docs.databricks.com/api/azure/workspace/secrets/getsecret)."""

    secret = KEY

    def do_GET(self) -> None:
        wanted = f"/api/2.0/secrets/get?scope=midnight&key={KEY_SECRET}"
        value = b64encode(self.secret.encode()).decode()
        missing = {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "Secret does not exist"}
        found = self.path == wanted and self.headers["Authorization"] == "Bearer t"
        body = json.dumps({"key": KEY_SECRET, "value": value} if found else missing).encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.mark.slow
def test_a_databricks_job_reads_the_key_from_its_scope():
    """In a process of its own: the SDK's module signs in at import."""
    code = (
        "import sys; from midnight.configuration.tables import Table\n"
        "from spark_jobs.runtime.masking_key import find_masking_key\n"
        "tables = [Table.model_validate_json(sys.argv[1])]\n"
        "print(find_masking_key(tables, 'scope:midnight', '').fingerprint)\n"
        "try: find_masking_key(tables, 'scope:other', '')\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    with ThreadingHTTPServer(("127.0.0.1", 0), Workspace) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": python_path(),
            "DATABRICKS_HOST": f"http://127.0.0.1:{server.server_port}",
            "DATABRICKS_TOKEN": "t",
        }
        command = [sys.executable, "-c", code, PEOPLE.model_dump_json(by_alias=True)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=100)
        server.shutdown()
        thread.join()
    found, missing = done.stdout.splitlines()
    assert found == parse_key(KEY).fingerprint
    assert missing == (
        f"MidnightError cannot read the masking key from secret '{KEY_SECRET}' of scope 'other': Secret does not "
        "exist; hint: grant the job's identity READ on the scope, and back the scope by the Key Vault (docs/azure.md)"
    )
    assert KEY not in done.stdout + done.stderr


def test_a_job_without_a_key_does_not_start():
    with pytest.raises(ConfigurationError, match=r"the masking key of \['public.people'\] does not exist or is empty"):
        find_masking_key([PEOPLE], "", "")
    assert find_masking_key([PEOPLE.model_copy(update={"columns": ()})], "", "") is None


def test_make_up_makes_a_key_that_airflow_finds(tmp_path):
    from airflow.secrets.local_filesystem import LocalFilesystemBackend

    instance = Instance(tmp_path / "home")
    instance.create()
    made = LocalFilesystemBackend(variables_file_path=str(instance.variables)).get_variable(KEY_VARIABLE)
    assert len(parse_key(made).secret) == 32
    assert instance.variables.stat().st_mode & 0o777 == 0o600
    instance.create()
    assert LocalFilesystemBackend(variables_file_path=str(instance.variables)).get_variable(KEY_VARIABLE) == made
