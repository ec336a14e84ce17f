"""One run of the pipeline from the command line: trigger it, watch it, show its outcome."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from rich.console import Console

from cli.airflow.client import DAG_ID, AirflowClient
from cli.airflow.health import component_health
from cli.airflow.services import AirflowServices
from cli.console.progress import step, watch
from midnight.errors import MidnightError, last_line

DAG_TIMEOUT_SECONDS = 120
QUEUED_TIMEOUT_SECONDS = 300


class RunError(MidnightError):
    """The run failed, or could not be started."""


@dataclass(frozen=True)
class TriggeredRun:
    """A run that was triggered from the command line.

    Args:
        services: that run it.
        client: of the same Airflow.
        run_id: Airflow's.
        earlier: number of runs that it waits for.
    """

    services: AirflowServices
    client: AirflowClient
    run_id: str
    earlier: int


def wait_for_dag(client: AirflowClient, started_at: float, console: Console) -> None:
    """Wait until the DAG processor has parsed the current DAG file, and unpause the DAG.

    Args:
        client: of the running Airflow.
        started_at: Unix time of the DAG processor's start; an earlier parse does not count.
        console: for progress.

    Raises:
        RunError: the DAG file does not import, or is not found in time.
    """
    deadline = time.monotonic() + DAG_TIMEOUT_SECONDS
    while True:
        dag = client.dag()
        for name, trace in client.import_errors():
            if name.endswith(f"{DAG_ID}.py"):
                raise RunError(f"{name} does not import: {last_line(trace)}\n{trace}")
        if dag is not None and datetime.fromisoformat(dag["last_parsed_time"]).timestamp() >= started_at:
            break
        if time.monotonic() > deadline:
            raise RunError(f"Airflow has no DAG {DAG_ID} after {DAG_TIMEOUT_SECONDS} s", "is it in dags/?")
        time.sleep(0.5)
    if dag["is_paused"]:
        console.print(f"  {DAG_ID} was paused and is now active: a paused DAG never starts its runs")
        client.unpause()


def trigger(services: AirflowServices, client: AirflowClient, console: Console) -> TriggeredRun:
    """Trigger a run, as `airflow dags trigger` does, but by the API: the command line imports Airflow first.

    Raises:
        AirflowClientError: Airflow refuses it, or does not answer.
    """
    earlier = client.runs(state="running")
    for run in earlier:
        console.print(f"  run {run['dag_run_id']} is running: the new run starts after it")
    run_id = f"manual__{datetime.now(UTC).isoformat(timespec='milliseconds')}"
    with step(console, f"triggering {DAG_ID}", f"triggered {DAG_ID}"):
        client.trigger(run_id)
    return TriggeredRun(services, client, run_id, len(earlier))


def watch_run(run: TriggeredRun, console: Console, run_timeout_minutes: int) -> str:
    """Show a run until it is finished.

    Args:
        run: the run.
        console: for progress.
        run_timeout_minutes: after which Airflow fails a run. Without a scheduler nothing does, so that this limits
            the wait as well.

    Returns:
        ``success`` or ``failed``.
    """
    longest = (run.earlier + 1) * run_timeout_minutes * 60
    return watch(
        run.client,
        run.run_id,
        run.services.instance.logs / "tasks",
        console,
        partial(find_obstacle, run.services, run.client),
        timeout_seconds=longest + QUEUED_TIMEOUT_SECONDS,
    )


def find_obstacle(
    services: AirflowServices, client: AirflowClient, run_state: str, waited_seconds: float
) -> str | None:
    """Why a run will never finish: a component that ended or stalled, or a DAG file that no longer imports."""
    health = component_health(services).values()
    broken = [component for component in health if component.state in ("stopped", "stalled")]
    if broken:
        return (
            f"Airflow cannot finish the run: {', '.join(map(str, broken))}; hint: see the logs in "
            f"{services.instance.logs} (is the disk full?), then `make up`: it restarts Airflow, and the run continues"
        )
    if run_state != "queued":
        return None
    errors = [(name, trace) for name, trace in client.import_errors() if name.endswith(f"{DAG_ID}.py")]
    if errors:
        name, trace = errors[0]
        reason = last_line(trace)
        return f"the run cannot start: {name} does not import: {reason}; hint: correct it and run `make up` again"
    if waited_seconds > QUEUED_TIMEOUT_SECONDS and not client.runs(state="running"):
        return (
            f"the run has been queued for {waited_seconds:.0f} s although no other run is running; hint: see "
            f"{services.instance.logs / 'airflow-scheduler.log'}, then `make down` and `make up`"
        )
    return None
