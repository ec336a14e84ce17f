"""`midnight status`: services, the last runs, the last row ledger and disk use."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.airflow.client import DAG_ID, FINISHED_STATES, AirflowClient, AirflowClientError
from cli.airflow.health import ComponentHealth, component_health
from cli.airflow.services import AirflowServices
from cli.airflow.settings import ADMIN
from cli.console.failures import FailedTask, failed_tasks, print_failures
from cli.console.outcome import ledger_rows
from cli.console.progress import make_console
from cli.console.summary import print_addresses, print_ledger
from cli.demo.start import demo_postgres
from cli.instance.folder import Instance, megabytes
from cli.postgres.location import locate
from midnight.lake.ledger import LedgerEntry, latest_entries, read_ledger
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
        ledger: entries of the newest run.
        disk: megabytes by folder.
    """

    components: dict[str, ComponentHealth]
    source: tuple[int, int | None] | None = None
    paused: bool = False
    runs: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""
    failures: list[FailedTask] = field(default_factory=list)
    ledger: list[LedgerEntry] = field(default_factory=list)
    disk: dict[str, int] = field(default_factory=dict)

    @property
    def airflow_runs(self) -> bool:
        return self.components["api-server"].state != "stopped"


def main(*, as_json: bool = False) -> int:
    """Show the status of the instance.

    Args:
        as_json: print one JSON document.

    Returns:
        0, also when something is not running.
    """
    console = make_console()
    settings = load_settings()
    instance = Instance(settings.home)
    if not instance.exists:
        if as_json:
            print(json.dumps({"instance": str(settings.home), "exists": False}, indent=1))
        else:
            console.print(f"no instance in {settings.home}; hint: `make up` creates one", soft_wrap=True)
        return 0
    services = AirflowServices(instance, settings, port=instance.read_state().get("ports", {}).get("airflow", 0))
    status = _collect(instance, settings, services)
    if as_json:
        print(json.dumps(_document(status, settings, services), indent=1, ensure_ascii=False, default=str))
    else:
        _print(status, settings, services, console)
    return 0


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
            newest = next((run for run in status.runs if run["state"] in FINISHED_STATES), None)
            if newest is not None and newest["state"] == "failed":
                status.failures = failed_tasks(client, newest["dag_run_id"], instance.logs / "tasks")
        except (AirflowClientError, OSError) as error:
            status.error = str(error)
    if settings.profile == "local":
        status.ledger = latest_entries(read_ledger(settings.paths.ledger))
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
        "ledger": ledger_rows(status.ledger),
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
    if status.ledger:
        console.print()
        print_ledger(console, status.ledger)
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
    newest = next((run for run in status.runs if run["state"] in FINISHED_STATES), None)
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
