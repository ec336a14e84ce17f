"""`midnight up`: start what is needed, run the pipeline, show the outcome."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from rich.console import Console
from rich.text import Text

from cli.airflow.client import AirflowClient
from cli.airflow.services import AirflowServices
from cli.airflow.settings import ADMIN
from cli.commands.pipeline_run import RunError, trigger, wait_for_dag
from cli.commands.run import follow_run, load_checked
from cli.console.progress import make_console, step
from cli.demo.new_day import advance_one_day
from cli.demo.source import current_day
from cli.demo.start import demo_postgres, start_demo, uses_demo
from cli.instance.folder import Instance
from cli.instance.job_server import start_job_server
from cli.instance.ports import choose_port
from cli.postgres.embedded import Server
from midnight.configuration.files import Configuration
from midnight.lake.paths import check_lake_path
from midnight.settings import Settings, load_settings


def main(*, as_json: bool = False, new_day: bool = False) -> int:
    """Start the instance, run the pipeline once, and show the outcome.

    Args:
        as_json: print the outcome as JSON to standard output, and the progress to standard error.
        new_day: add one day to the demo source first.

    Returns:
        0 only if the run succeeded. Errors are raised as ``MidnightError``.
    """
    console = make_console(stderr=as_json)
    settings = load_settings()
    configuration = load_checked(settings, console)
    check_lake_path(settings.engine, str(settings.lake or settings.home / "lake"))
    instance = Instance(settings.home)
    instance.create()
    with instance.lock():
        services, demo = _start(instance, settings, configuration, console)
        client = AirflowClient(services.url, ADMIN, instance.secrets["airflow_admin_password"])
        wait_for_dag(client, services.records()["dag-processor"].created, console)
        if new_day:
            _add_day(demo, console)
        run = trigger(services, client, console)
    return follow_run(run, settings=settings, configuration=configuration, console=console, as_json=as_json)


def _start(
    instance: Instance, settings: Settings, configuration: Configuration, console: Console
) -> tuple[AirflowServices, Server | None]:
    """Start source and Airflow in parallel: the source loads while Airflow creates its database."""
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
        with step(console, "starting the source and Airflow", "") as result:
            services.start(lambda text: console.print(f"  {text}"))
            if source is not None:
                demo = source.result()
                result.append(f"source: PostgreSQL on 127.0.0.1:{ports['source']}, flights up to {current_day(demo)}")
            else:
                result.append(f"source: your own, connection {configuration.pipeline.source.connection!r}")
    parts = "API server, scheduler and DAG processor"
    with step(console, f"waiting for Airflow ({parts})", f"Airflow on {services.url}"):
        services.wait_until_healthy()
    start_job_server(instance, settings)
    return services, demo


def _add_day(demo: Server | None, console: Console) -> None:
    if demo is None:
        raise RunError("`make night` changes the demo source only, and the configured source is your own", "make run")
    with step(console, "adding one day to the source", "") as result:
        changes = advance_one_day(demo)
        result.append(
            f"{changes.day}: {changes.flights_added:,} new flights, {changes.flights_corrected} corrected, "
            f"{changes.flights_withdrawn} withdrawn, {changes.planes_added} new aircraft, "
            f"{changes.weather_hours_added} hours of weather"
        )
    for failure in changes.failures:
        console.print(Text.assemble(("! ", "yellow"), f"the demo's tables were changed: {failure}"), soft_wrap=True)
