"""Airflow on this machine: its processes, the import of the DAGs, and the schedule."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from cli.airflow.client import DAG_ID, AirflowClient
from cli.airflow.health import component_health
from cli.airflow.services import AirflowServices
from cli.airflow.settings import ADMIN
from cli.checks.finding import Finding
from cli.instance.folder import Instance
from midnight.errors import MidnightError, first_line, last_line
from midnight.settings import REPOSITORY, Settings, python_path

IMPORT_SECONDS = 50
_IMPORT = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(dag_folder=sys.argv[1])
print("\\n" + json.dumps({"errors": bag.import_errors, "dags": sorted(bag.dags)}))
"""


def running_services(instance: Instance, settings: Settings) -> dict[str, bool]:
    """Whether each Airflow process is running, by its name; empty without an instance."""
    if not instance.exists:
        return {}
    port = instance.read_state().get("ports", {}).get("airflow", 0)
    return AirflowServices(instance, settings, port=port).running()


def check_services(instance: Instance, settings: Settings, running: dict[str, bool]) -> list[Finding]:
    """All components are running and send heartbeats, or none is."""
    if not any(running.values()):
        return [Finding.warn("Airflow", "is not running", "make up starts it")]
    port = instance.read_state().get("ports", {}).get("airflow", 0)
    health = component_health(AirflowServices(instance, settings, port=port))
    stalled = [str(component) for component in health.values() if component.state == "stalled"]
    if stalled:
        return [Finding.fail("Airflow", f"{', '.join(stalled)}; logs: {instance.logs}", "make up restarts it")]
    dead = [name for name, runs in running.items() if not runs]
    if dead:
        log = instance.logs / f"airflow-{dead[0]}.log"
        return [Finding.fail("Airflow", f"{', '.join(dead)} ended; log: {log}", "make down, then make up")]
    return [Finding.ok("Airflow", f"running: {', '.join(running)}")]


def check_dags(instance: Instance, settings: Settings, running: dict[str, bool]) -> list[Finding]:
    """The DAGs import, and the nightly DAG is active."""
    if not running.get("api-server"):
        return import_dags()
    state = instance.read_state()
    url = f"http://127.0.0.1:{state.get('ports', {}).get('airflow', 0)}"
    try:
        client = AirflowClient(url, ADMIN, instance.secrets["airflow_admin_password"])
        errors, dag = client.import_errors(), client.dag()
        runs = client.runs(limit=1) if dag else []
    except (MidnightError, OSError) as error:
        return [Finding.fail("Airflow", f"does not answer at {url}: {first_line(error)}", "make down, then make up")]
    except Exception as error:  # noqa: BLE001 - httpx has many errors of this meaning
        return [Finding.fail("Airflow", f"does not answer at {url}: {first_line(error)}", "make down, then make up")]
    if errors:
        return [_import_error(name, trace) for name, trace in errors]
    if dag is None:
        return [Finding.fail("DAGs", f"Airflow does not know {DAG_ID}", "is dags/ complete? make down, then make up")]
    result = [Finding.ok("DAGs", f"{DAG_ID} imports")]
    if dag["is_paused"]:
        result.append(Finding.warn("schedule", f"{DAG_ID} is paused: no scheduled run starts", f"unpause it at {url}"))
    if runs and runs[0]["state"] == "failed":
        found = f"the last run failed: {runs[0]['dag_run_id']}"
        result.append(
            Finding.warn("last run", found, f"{url}/dags/{DAG_ID}: the log of the failed task ends with the reason")
        )
    return result


def import_dags(dags: Path = REPOSITORY / "dags") -> list[Finding]:
    """Import the DAG files in a process of their own, as the DAG processor would."""
    with tempfile.TemporaryDirectory(prefix="midnight-doctor-") as home:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW__")},
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
            "PYTHONPATH": python_path(),
        }
        answer = subprocess.run(
            [sys.executable, "-c", _IMPORT, str(dags)],
            env=environment,
            cwd=home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=IMPORT_SECONDS,
            check=False,
        )
    try:
        found = json.loads(answer.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        return [Finding.fail("DAGs", f"Airflow does not start: {last_line(answer.stderr, 300)}")]
    if found["errors"]:
        return [_import_error(name, trace) for name, trace in found["errors"].items()]
    return [Finding.ok("DAGs", f"{', '.join(found['dags'])} import")]


def _import_error(name: str, trace: str) -> Finding:
    lines = [line.strip() for line in trace.strip().splitlines() if line.strip()]
    return Finding.fail("DAGs", f"{name} does not import: {lines[-1][:500] if lines else 'no message'}")
