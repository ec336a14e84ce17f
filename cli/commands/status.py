"""`make status`, `make down` and `make reset`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.airflow.client import DAG_ID, FINISHED_STATES, AirflowClient, AirflowClientError
from cli.airflow.health import ComponentHealth, component_health
from cli.airflow.services import ADMIN, AirflowServices
from cli.console.progress import make_console, tell_failure
from cli.console.summary import print_addresses, print_ledger
from cli.demo.start import demo_postgres
from cli.instance.folder import Instance
from cli.instance.ports import port_is_free
from cli.instance.processes import ProcessesError
from cli.postgres.location import locate
from midnight.lake.ledger import latest_entries, read_ledger
from midnight.settings import Settings, load_settings


def main_status(arguments: Sequence[str]) -> int:
    """Show services, ports, the last runs, the last ledger and the disk use."""
    del arguments
    console = make_console()
    settings = load_settings()
    instance = Instance(settings.home)
    if not instance.exists:
        console.print(f"no instance in {settings.home}: `make up` makes one", soft_wrap=True)
        return 0
    ports = instance.read_state().get("ports", {})
    services = AirflowServices(instance, settings, port=ports.get("airflow", 0))
    components = component_health(services)
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, health in components.items():
        _airflow_row(table, name, health)
    if "source" in ports:
        process = demo_postgres(instance, ports["source"]).process()
        _service_row(table, f"demo source, port {ports['source']}", process.pid if process else None)
    console.print(table)
    if components["api-server"].state != "stopped":
        _print_runs(instance, services, console)
        print_addresses(console, settings, instance, url=services.url, user=ADMIN)
    if settings.profile == "local":
        entries = latest_entries(read_ledger(settings.paths.ledger))
        if entries:
            console.print()
            print_ledger(console, entries)
    console.print()
    _print_disk_use(instance, settings, console)
    return 0


def main_down(arguments: Sequence[str]) -> int:
    """End every process of the instance, and check that they and their ports are gone."""
    del arguments
    console = make_console()
    settings = load_settings()
    instance = Instance(settings.home)
    if not instance.exists:
        console.print(f"no instance in {settings.home}: nothing runs", soft_wrap=True)
        return 0
    with instance.lock():
        _stop(instance, settings)
    console.print(f"✓ stopped; the data stays in {instance.home}", soft_wrap=True)
    return 0


def main_reset(arguments: Sequence[str]) -> int:
    """`make down`, then remove the instance with its lake, its demo source and its Airflow."""
    del arguments
    console = make_console()
    settings = load_settings()
    instance = Instance(settings.home)
    if not instance.exists:
        console.print(f"no instance in {settings.home}: nothing to remove", soft_wrap=True)
        return 0
    with instance.lock():
        _stop(instance, settings)
        console.print(f"removing {instance.home} ({_megabytes(instance.home)} MB)", soft_wrap=True)
        demo_postgres(instance, 0).remove()
        instance.remove()
    if settings.lake is not None and not settings.lake.is_relative_to(instance.home) and settings.lake.exists():
        console.print(f"not removed: the lake in {settings.lake} (MIDNIGHT_LAKE)", soft_wrap=True)
    console.print("✓ removed; `make up` starts anew")
    return 0


def _stop(instance: Instance, settings: Settings) -> None:
    ports = instance.read_state().get("ports", {})
    services = AirflowServices(instance, settings, port=ports.get("airflow", 0))
    postgres = demo_postgres(instance, ports.get("source", 0))
    was_ours = {"airflow": services.running().get("api-server", False), "source": postgres.process() is not None}
    services.stop()
    postgres.stop()
    busy = [f"{ports[name]} ({name})" for name, ours in was_ours.items() if ours and not port_is_free(ports[name])]
    if busy:
        raise ProcessesError(f"everything was stopped, but somebody still listens on port {', '.join(busy)}")


def _airflow_row(table: Table, name: str, health: ComponentHealth) -> None:
    if health.state == "healthy":
        return _service_row(table, f"airflow {name}", health.pid)
    row = f"airflow {name}"
    if health.state == "stalled":
        table.add_row(
            Text("✗", "red"), row, Text(f"{str(health).removeprefix(name).strip()}; hint: `make up` restarts it", "red")
        )
    elif health.state == "stopped":
        _service_row(table, row, None)
    else:
        table.add_row(Text("!", "yellow"), row, Text(f"process {health.pid}, {health.state}", "dim"))
    return None


def _service_row(table: Table, name: str, pid: int | None) -> None:
    if pid is None:
        table.add_row(Text("✗", "red"), name, Text("does not run", "dim"))
    else:
        table.add_row(Text("✓", "green"), name, Text(f"process {pid}", "dim"))


def _print_runs(instance: Instance, services: AirflowServices, console: Console) -> None:
    try:
        client = AirflowClient(services.url, ADMIN, instance.secrets["airflow_admin_password"])
        dag = client.dag()
        runs = client.runs(limit=5) if dag else []
    except (AirflowClientError, OSError) as error:
        console.print(f"Airflow does not answer: {error}", soft_wrap=True)
        return
    table = Table(title="Last runs", title_justify="left", title_style="bold", box=None)
    table.add_column("run", no_wrap=True)  # whole: it is what a command needs
    for name in ("state", "started (UTC)"):
        table.add_column(name)
    table.add_column("seconds", justify="right")
    for run in runs:
        seconds = "" if run["duration"] is None else f"{run['duration']:.1f}"
        table.add_row(run["dag_run_id"], run["state"], str(run["start_date"] or "")[5:16].replace("T", " "), seconds)
    console.print(table)
    if dag and dag["is_paused"]:
        console.print(
            Text.assemble(
                ("! ", "yellow"), f"{DAG_ID} is paused: no night comes until `make up`, or you in Airflow, switch it on"
            )
        )
    newest = next((run for run in runs if run["state"] in FINISHED_STATES), None)
    if newest is not None and newest["state"] == "failed":
        tell_failure(client, newest["dag_run_id"], instance.logs / "tasks", console)


def _print_disk_use(instance: Instance, settings: Settings, console: Console) -> None:
    location = locate(instance.postgres, create=False)
    lake = settings.lake or instance.home / "lake"
    folders = {
        "lake": lake,
        "demo source": location.root if location else instance.postgres,
        "airflow": instance.airflow_home,
        "logs": instance.logs,
    }
    sizes = ", ".join(f"{name} {_megabytes(folder)} MB" for name, folder in folders.items() if folder.exists())
    console.print(f"disk: {sizes}", soft_wrap=True)


def _megabytes(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(parent) / name).lstat().st_size
            except FileNotFoundError:  # a running service tidied up meanwhile
                continue
    return round(total / 1_000_000)
