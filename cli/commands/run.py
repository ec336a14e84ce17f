"""`midnight run`: trigger the pipeline on the running instance, wait, show the outcome."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from cli.airflow.client import DAG_ID, AirflowClient
from cli.airflow.services import AirflowServices
from cli.airflow.settings import ADMIN
from cli.commands.pipeline_run import RunError, TriggeredRun, trigger, wait_for_dag, watch_run
from cli.console.outcome import show_outcome
from cli.console.progress import make_console
from cli.exit_codes import ExitCode
from cli.instance.folder import Instance
from cli.instance.job_server import start_job_server
from midnight.configuration.files import Configuration
from midnight.configuration_check.check import check_run
from midnight.settings import Settings, load_settings


def main(*, as_json: bool = False) -> int:
    """Run the pipeline once on the running instance.

    Args:
        as_json: print the outcome as JSON to standard output, and the progress to standard error.

    Returns:
        0 only if the run succeeded. Errors are raised as ``MidnightError``.
    """
    console = make_console(stderr=as_json)
    settings = load_settings()
    configuration = load_checked(settings, console)
    instance = Instance(settings.home)
    services = AirflowServices(instance, settings, port=_airflow_port(instance))
    if not all(services.running().values()):
        raise RunError(f"Airflow is not running for the instance in {settings.home}", "make up")
    with instance.lock():
        start_job_server(instance, settings)
        client = AirflowClient(services.url, ADMIN, instance.secrets["airflow_admin_password"])
        wait_for_dag(client, 0, console)
        run = trigger(services, client, console)
    return follow_run(run, settings=settings, configuration=configuration, console=console, as_json=as_json)


def load_checked(settings: Settings, console: Console) -> Configuration:
    """The configuration, checked; every problem is reported at once, before anything is started.

    Raises:
        ConfigurationError: it has problems.
    """
    checked = check_run(settings, [])
    for warning in checked.warnings:
        console.print(Text.assemble(("! ", "yellow"), str(warning)), soft_wrap=True)
    return checked.tables


def follow_run(
    run: TriggeredRun, *, settings: Settings, configuration: Configuration, console: Console, as_json: bool
) -> int:
    """Watch a triggered run until it is finished, and show its outcome.

    Returns:
        The exit code of the command.
    """
    try:
        state = watch_run(run, console, configuration.pipeline.run_timeout_minutes)
    except KeyboardInterrupt:
        url = f"{run.services.url}/dags/{DAG_ID}/runs/{run.run_id}"
        console.print(f"the run continues: {url}; `make status` shows its outcome")
        return ExitCode.INTERRUPTED
    return show_outcome(
        run.services,
        run.client,
        run.run_id,
        state,
        settings=settings,
        configuration=configuration,
        console=console,
        as_json=as_json,
    )


def _airflow_port(instance: Instance) -> int:
    return int(instance.read_state().get("ports", {}).get("airflow", 0)) if instance.exists else 0
