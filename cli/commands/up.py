"""`make up` and `make night`: start what is needed, run the pipeline, show what it did."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial

from rich.console import Console
from rich.text import Text

from cli.airflow.client import DAG_ID, AirflowClient
from cli.airflow.health import component_health
from cli.airflow.services import ADMIN, AirflowServices
from cli.console.progress import make_console, step, tell_failure, watch
from cli.console.summary import check_ledger, print_addresses, print_ledger, print_view
from cli.demo.night import advance_one_day
from cli.demo.source import current_day
from cli.demo.start import demo_postgres, start_demo, uses_demo
from cli.instance.folder import Instance
from cli.instance.ports import choose_port
from cli.postgres.embedded import Server
from midnight.configuration.pipeline import Configuration
from midnight.configuration_check.check import check_run
from midnight.errors import MidnightError
from midnight.lake.ledger import latest_entries, read_ledger
from midnight.lake.paths import check_lake_path
from midnight.settings import Settings, load_settings

DAG_TIMEOUT_SECONDS = 120
TRIGGER_TIMEOUT_SECONDS = 180
QUEUED_TIMEOUT_SECONDS = 300


class RunError(MidnightError):
    """The run failed, or could not be started."""


def main(arguments: Sequence[str], *, night: bool = False) -> int:
    """Start the instance, run the pipeline once, and show what it did.

    Args:
        arguments: none are known.
        night: let one more day happen in the demo source first.

    Returns:
        0 only if the run succeeded and the ledger adds up.
    """
    del arguments
    console = make_console()
    settings = load_settings()
    checked = check_run(settings, [])  # every mistake at once, before anything is started
    for warning in checked.warnings:
        console.print(Text.assemble(("! ", "yellow"), str(warning)), soft_wrap=True)
    configuration = checked.tables
    check_lake_path(settings.engine, str(settings.lake or settings.home / "lake"))
    instance = Instance(settings.home)
    instance.create()
    with instance.lock():
        services, demo = _start(instance, settings, configuration, console)
        client = AirflowClient(services.url, ADMIN, instance.secrets["airflow_admin_password"])
        _wait_for_dag(client, services.records()["dag-processor"].created, console)
        if night:
            _let_a_night_pass(demo, console)
        earlier = client.runs(state="running")
        for run in earlier:
            console.print(f"  run {run['dag_run_id']} is under way: ours starts after it")
        run_id = _trigger(services, console)
    # Airflow ends a run after this time; without a scheduler nobody does.
    longest = (len(earlier) + 1) * configuration.pipeline.run_timeout_minutes * 60
    try:
        state = watch(
            client,
            run_id,
            instance.logs / "tasks",
            console,
            partial(_trouble, services, client),
            timeout_seconds=longest + QUEUED_TIMEOUT_SECONDS,
        )
    except KeyboardInterrupt:
        console.print(f"the run goes on: {services.url}/dags/{DAG_ID}/runs/{run_id}; `make status` shows how it ended")
        return 130
    if state != "success":
        tell_failure(client, run_id, instance.logs / "tasks", console)
        return 1
    return _show_result(settings, configuration, run_id, services=services, instance=instance, console=console)


def _start(
    instance: Instance, settings: Settings, configuration: Configuration, console: Console
) -> tuple[AirflowServices, Server | None]:
    """Source and Airflow beside each other: the one loads while the other makes its database."""
    demo_wanted = uses_demo(instance, configuration.pipeline)
    known = instance.read_state().get("ports", {})
    postgres_runs = demo_postgres(instance, known.get("source", 0)).process() is not None
    airflow_runs = AirflowServices(instance, settings, port=known.get("airflow", 0)).running().get("api-server", False)
    ports = {"airflow": choose_port("airflow", remembered=known.get("airflow"), is_ours=airflow_runs)}
    if demo_wanted:
        ports["source"] = choose_port("source", remembered=known.get("source"), is_ours=postgres_runs)
    elif postgres_runs:
        demo_postgres(instance, known["source"]).stop()
    instance.update_state(ports={**known, **ports})
    services = AirflowServices(instance, settings, port=ports["airflow"])
    demo: Server | None = None
    with ThreadPoolExecutor() as pool:
        source = pool.submit(start_demo, instance, configuration.pipeline, ports["source"]) if demo_wanted else None
        with step(console, "starting the source and Airflow", "") as words:
            services.start(lambda text: console.print(f"  {text}"))
            if source is not None:
                demo = source.result()
                words.append(f"source: PostgreSQL on 127.0.0.1:{ports['source']}, flights up to {current_day(demo)}")
            else:
                words.append(f"source: your own, connection {configuration.pipeline.source.connection!r}")
    parts = "API server, scheduler and DAG processor"
    with step(console, f"waiting for Airflow ({parts})", f"Airflow on {services.url}"):
        services.wait_until_healthy()
    return services, demo


def _wait_for_dag(client: AirflowClient, started_at: float, console: Console) -> None:
    """Until the DAG processor has read the DAG file that is there now, not one of an earlier start."""
    deadline = time.monotonic() + DAG_TIMEOUT_SECONDS
    while True:
        dag = client.dag()
        for name, trace in client.import_errors():
            if name.endswith(f"{DAG_ID}.py"):
                raise RunError(f"{name} does not import: {trace.splitlines()[-1]}\n{trace}")
        if dag is not None and datetime.fromisoformat(dag["last_parsed_time"]).timestamp() >= started_at:
            break
        if time.monotonic() > deadline:
            raise RunError(f"Airflow does not see the DAG {DAG_ID} after {DAG_TIMEOUT_SECONDS} s: is it in dags/?")
        time.sleep(0.5)
    if dag["is_paused"]:
        console.print(f"  {DAG_ID} was paused: switched on, or the run would wait for ever")
        client.unpause()


def _trouble(services: AirflowServices, client: AirflowClient, run_state: str, waited_seconds: float) -> str | None:
    """Why a run will never end: a component that ended or stalled, or a DAG file that no longer imports."""
    health = component_health(services).values()
    broken = [component for component in health if component.state in ("stopped", "stalled")]
    if broken:
        return (
            f"Airflow cannot finish the run: {', '.join(map(str, broken))}; hint: see the logs in "
            f"{services.instance.logs} (is the disk full?), then `make up`: it restarts Airflow, and the run goes on"
        )
    if run_state != "queued":
        return None
    errors = [(name, trace) for name, trace in client.import_errors() if name.endswith(f"{DAG_ID}.py")]
    if errors:
        name, trace = errors[0]
        reason = trace.splitlines()[-1]
        return f"the run cannot start: {name} does not import: {reason}; correct it and run `make up` again"
    if waited_seconds > QUEUED_TIMEOUT_SECONDS and not client.runs(state="running"):
        return (
            f"the run has been queued for {waited_seconds:.0f} s although no other run is running; hint: see "
            f"{services.instance.logs / 'airflow-scheduler.log'}, then `make down` and `make up`"
        )
    return None


def _let_a_night_pass(demo: Server | None, console: Console) -> None:
    if demo is None:
        raise RunError("`make night` changes the demo source only; your own database has its own nights: use `make up`")
    with step(console, "one more day happens in the source", "") as words:
        changes = advance_one_day(demo)
        words.append(
            f"{changes.day}: {changes.flights_added:,} new flights, {changes.flights_corrected} corrected, "
            f"{changes.flights_withdrawn} withdrawn, {changes.planes_added} new aircraft, "
            f"{changes.weather_hours_added} hours of weather"
        )
    for failure in changes.failures:
        console.print(Text.assemble(("! ", "yellow"), f"the demo's tables were changed: {failure}"), soft_wrap=True)


def _trigger(services: AirflowServices, console: Console) -> str:
    run_id = f"manual__{datetime.now(UTC).isoformat(timespec='milliseconds')}"
    with step(console, f"airflow dags trigger {DAG_ID}", f"airflow dags trigger {DAG_ID}"):
        try:
            result = subprocess.run(
                services.command_line("dags", "trigger", DAG_ID, "--run-id", run_id),
                env=services.environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=TRIGGER_TIMEOUT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise RunError(
                f"`airflow dags trigger {DAG_ID}` was not finished after {TRIGGER_TIMEOUT_SECONDS} s; "
                "hint: `make status` shows what is running"
            ) from None
    if result.returncode != 0:
        lines = (result.stderr or result.stdout).strip().splitlines()
        raise RunError(f"`airflow dags trigger {DAG_ID}` failed: {lines[-1] if lines else 'no message'}")
    return run_id


def _show_result(
    settings: Settings,
    configuration: Configuration,
    run_id: str,
    *,
    services: AirflowServices,
    instance: Instance,
    console: Console,
) -> int:
    if settings.profile == "local":
        entries = latest_entries(read_ledger(settings.paths.ledger), run_id)
        if entries:
            console.print()
            print_ledger(console, entries)
        check_ledger(entries, [table.silver for table in configuration.tables])
        console.print(Text.assemble(("✓ ", "green"), "every row of every table is accounted for"))
        console.print()
        if settings.serving_database.exists():
            print_view(console, settings.serving_database)
            console.print()
    print_addresses(console, settings, instance, url=services.url, user=ADMIN)
    return 0


def main_night(arguments: Sequence[str]) -> int:
    """`make night`."""
    return main(arguments, night=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
