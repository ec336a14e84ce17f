"""`midnight status`: services, the last runs, what readers have, what the newest run did, and disk use."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.airflow.client import DAG_ID, FINISHED_STATES, AirflowClient, AirflowClientError
from cli.airflow.health import ComponentHealth, component_health
from cli.airflow.services import AirflowServices
from cli.airflow.settings import ADMIN
from cli.console.failures import FailedTask, failed_tasks, print_failures
from cli.console.progress import make_console
from cli.console.publication_age import check_publication_age
from cli.console.run_state import RunState, print_run_state, read_run_state, state_document
from cli.console.summary import print_addresses
from cli.demo.start import demo_postgres
from cli.exit_codes import ExitCode
from cli.instance.folder import Instance, megabytes
from cli.postgres.location import locate
from midnight.errors import MidnightError, first_line
from midnight.settings import Settings, load_settings

_RUNS = 5


@dataclass
class _Status:
    """What the command shows.

    Args:
        components: of Airflow, by name.
        source: port and process id of the demo source; None where another source is configured.
        runs: the newest first; ``error`` says why there are none to show.
        failures: of the newest finished run, when it failed.
        waiting: tasks of the active run whose last try failed, and that Airflow tries again.
        run: the newest finished run, and what readers have; ``lake_error`` says why it is not known.
        disk: megabytes by folder.
    """

    components: dict[str, ComponentHealth]
    source: tuple[int, int | None] | None = None
    paused: bool = False
    runs: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""
    failures: list[FailedTask] = field(default_factory=list)
    waiting: list[FailedTask] = field(default_factory=list)
    run: RunState = field(default_factory=RunState)
    lake_error: str = ""
    disk: dict[str, int] = field(default_factory=dict)

    @property
    def airflow_runs(self) -> bool:
        return self.components["api-server"].state != "stopped"

    @property
    def newest_finished(self) -> dict[str, Any] | None:
        """The newest of the runs that has ended; a run that is active has no result yet."""
        return next((run for run in self.runs if run["state"] in FINISHED_STATES), None)


def main(*, as_json: bool = False, oldest: timedelta | None = None) -> int:
    """Show the status of the instance.

    Args:
        as_json: print one JSON document.
        oldest: the age that the publication may have.

    Returns:
        0, also when something is not running; 1 when the publication is older than ``oldest``.
    """
    settings = load_settings()
    _show(settings, as_json=as_json)
    if oldest is not None and not check_publication_age(settings, oldest):
        return ExitCode.PROBLEM
    return ExitCode.DONE


def _show(settings: Settings, *, as_json: bool) -> None:
    console = make_console()
    instance = Instance(settings.home)
    if not instance.exists:
        if as_json:
            print(json.dumps({"instance": str(settings.home), "exists": False}, indent=1))
        else:
            console.print(f"no instance in {settings.home}; hint: `make up` creates one", soft_wrap=True)
        return
    services = AirflowServices(instance, settings, port=instance.read_state().get("ports", {}).get("airflow", 0))
    status = _collect(instance, settings, services)
    if as_json:
        print(json.dumps(_document(status, settings, services), indent=1, ensure_ascii=False, default=str))
    else:
        _print(status, settings, services, console)


def _collect(instance: Instance, settings: Settings, services: AirflowServices) -> _Status:
    ports = instance.read_state().get("ports", {})
    status = _Status(component_health(services), disk=_disk_use(instance, settings))
    if "source" in ports:
        process = demo_postgres(instance, ports["source"]).process()
        status.source = (ports["source"], process.pid if process else None)
    if status.airflow_runs:
        try:
            client = AirflowClient(services.url, ADMIN, instance.secrets["airflow_admin_password"])
            dag = client.dag()
            status.paused = bool(dag and dag["is_paused"])
            status.runs = client.runs(limit=_RUNS) if dag else []
            newest = status.newest_finished
            if status.runs and status.runs[0]["state"] not in FINISHED_STATES:
                active = status.runs[0]["dag_run_id"]
                status.waiting = failed_tasks(client, active, instance.logs / "tasks", "up_for_retry")
            if newest is not None and newest["state"] == "failed":
                status.failures = failed_tasks(client, newest["dag_run_id"], instance.logs / "tasks")
        except (AirflowClientError, OSError) as error:
            status.error = str(error)
    try:
        status.run = read_run_state(settings, status.newest_finished)
    except MidnightError as error:
        status.lake_error = first_line(error)
    return status


def _document(status: _Status, settings: Settings, services: AirflowServices) -> dict[str, Any]:
    components = [
        {"name": f"airflow {name}", "state": health.state, "pid": health.pid}
        for name, health in status.components.items()
    ]
    if status.source is not None:
        port, pid = status.source
        components.append({"name": "demo source", "state": "healthy" if pid else "stopped", "pid": pid, "port": port})
    runs = [
        {
            "run_id": run["dag_run_id"],
            "state": run["state"],
            "started": run["start_date"],
            "seconds": run["duration"],
        }
        for run in status.runs
    ]
    return {
        "instance": str(settings.home),
        "exists": True,
        "profile": settings.profile,
        "url": services.url,
        "services": components,
        "paused": status.paused,
        "runs": runs,
        "error": status.error,
        "failed_tasks": [failure._asdict() for failure in status.failures],
        "waiting_tasks": [failure._asdict() for failure in status.waiting],
        **state_document(status.run),
        "lake_error": status.lake_error,
        "disk_megabytes": status.disk,
    }


def _print(status: _Status, settings: Settings, services: AirflowServices, console: Console) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, health in status.components.items():
        _airflow_row(table, name, health)
    if status.source is not None:
        port, pid = status.source
        _service_row(table, f"demo source, port {port}", pid)
    console.print(table)
    if status.airflow_runs:
        _print_runs(status, console)
        print_addresses(console, settings, services.instance, url=services.url, user=ADMIN)
    console.print()
    if status.lake_error:
        console.print(Text.assemble(("✗ ", "red"), f"the lake cannot be read: {status.lake_error}"), soft_wrap=True)
    else:
        print_run_state(console, status.run)
    console.print()
    sizes = ", ".join(f"{name} {size} MB" for name, size in status.disk.items())
    console.print(f"disk: {sizes}", soft_wrap=True)


def _airflow_row(table: Table, name: str, health: ComponentHealth) -> None:
    row = f"airflow {name}"
    if health.state == "healthy":
        _service_row(table, row, health.pid)
    elif health.state == "stalled":
        text = f"{str(health).removeprefix(name).strip()}; hint: `make up` restarts it"
        table.add_row(Text("✗", "red"), row, Text(text, "red"))
    elif health.state == "stopped":
        _service_row(table, row, None)
    else:
        table.add_row(Text("!", "yellow"), row, Text(f"process {health.pid}, {health.state}", "dim"))


def _service_row(table: Table, name: str, pid: int | None) -> None:
    if pid is None:
        table.add_row(Text("✗", "red"), name, Text("not running", "dim"))
    else:
        table.add_row(Text("✓", "green"), name, Text(f"process {pid}", "dim"))


def _print_runs(status: _Status, console: Console) -> None:
    if status.error:
        console.print(f"Airflow does not answer: {status.error}", soft_wrap=True)
        return
    table = Table(title="Last runs", title_justify="left", title_style="bold", box=None)
    table.add_column("run", no_wrap=True)  # a command needs the complete id
    for name in ("state", "started (UTC)"):
        table.add_column(name)
    table.add_column("seconds", justify="right")
    for run in status.runs:
        seconds = "" if run["duration"] is None else f"{run['duration']:.1f}"
        table.add_row(run["dag_run_id"], run["state"], str(run["start_date"] or "")[5:16].replace("T", " "), seconds)
    console.print(table)
    if status.paused:
        text = f"{DAG_ID} is paused: no scheduled run starts; hint: `make up` unpauses it, or do so in Airflow"
        console.print(Text.assemble(("! ", "yellow"), text))
    if status.waiting:
        print_failures(console, status.runs[0]["dag_run_id"], status.waiting, retried=True)
    newest = status.newest_finished
    if newest is not None and newest["state"] == "failed":
        print_failures(console, newest["dag_run_id"], status.failures)


def _disk_use(instance: Instance, settings: Settings) -> dict[str, int]:
    location = locate(instance.postgres, create=False)
    folders = {
        "lake": settings.lake or instance.home / "lake",
        "demo source": location.root if location else instance.postgres,
        "airflow": instance.airflow_home,
        "logs": instance.logs,
    }
    return {name: megabytes(folder) for name, folder in folders.items() if folder.exists()}
