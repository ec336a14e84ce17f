"""`midnight down`: stop all processes of the instance; the data stays."""

from __future__ import annotations

from cli.airflow.services import AirflowServices
from cli.console.progress import make_console
from cli.demo.start import demo_postgres
from cli.instance.folder import Instance
from cli.instance.ports import port_is_free
from cli.instance.processes import ProcessesError
from midnight.settings import Settings, load_settings


def main() -> int:
    """Stop every process of the instance, and check that they and their ports are gone.

    Returns:
        0. Errors are raised as ``MidnightError``.
    """
    console = make_console()
    settings = load_settings()
    instance = Instance(settings.home)
    if not instance.exists:
        console.print(f"no instance in {settings.home}: nothing is running", soft_wrap=True)
        return 0
    with instance.lock():
        stop_instance(instance, settings)
    console.print(f"✓ stopped; the data stays in {instance.home}", soft_wrap=True)
    return 0


def stop_instance(instance: Instance, settings: Settings) -> None:
    """Stop all processes of an instance.

    Raises:
        ProcessesError: one of its ports is still in use afterwards.
    """
    ports = instance.read_state().get("ports", {})
    services = AirflowServices(instance, settings, port=ports.get("airflow", 0))
    postgres = demo_postgres(instance, ports.get("source", 0))
    was_ours = {"airflow": services.running().get("api-server", False), "source": postgres.process() is not None}
    services.stop()
    postgres.stop()
    busy = [f"{ports[name]} ({name})" for name, ours in was_ours.items() if ours and not port_is_free(ports[name])]
    if busy:
        raise ProcessesError(f"everything was stopped, but another process listens on port {', '.join(busy)}")
