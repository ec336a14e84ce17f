"""`midnight reset`: stop all processes, and remove the instance with its data."""

from __future__ import annotations

from cli.commands.down import stop_instance
from cli.console.progress import make_console
from cli.demo.start import demo_postgres
from cli.instance.folder import Instance, megabytes
from midnight.settings import load_settings


def main() -> int:
    """Remove the instance with its lake, its demo source and its Airflow.

    Returns:
        0. Errors are raised as ``MidnightError``.
    """
    console = make_console()
    settings = load_settings()
    instance = Instance(settings.home)
    if not instance.exists:
        console.print(f"no instance in {settings.home}: nothing to remove", soft_wrap=True)
        return 0
    with instance.lock():
        stop_instance(instance, settings)
        console.print(f"removing {instance.home} ({megabytes(instance.home)} MB)", soft_wrap=True)
        demo_postgres(instance, 0).remove()
        instance.remove()
    if settings.lake is not None and not settings.lake.is_relative_to(instance.home) and settings.lake.exists():
        console.print(f"not removed: the lake in {settings.lake} (MIDNIGHT_LAKE)", soft_wrap=True)
    console.print("✓ removed; `make up` starts again")
    return 0
