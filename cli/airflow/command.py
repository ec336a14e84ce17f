"""Airflow's command line with the environment of the instance: ``midnight airflow dags list``."""

from __future__ import annotations

import os
from collections.abc import Sequence

from cli.airflow.services import AirflowServices
from cli.instance.folder import Instance, InstanceError
from midnight.settings import load_settings


def main(arguments: Sequence[str]) -> int:
    """Replace this process with Airflow's command line; does not return.

    Raises:
        InstanceError: no instance has been started.
    """
    settings = load_settings()
    instance = Instance(settings.home)
    port = instance.read_state().get("ports", {}).get("airflow") if instance.exists else None
    if port is None:
        raise InstanceError(f"no instance has been started in {settings.home}", "make up")
    services = AirflowServices(instance, settings, port=port)
    command = services.command_line(*arguments)
    os.execve(command[0], command, services.environment())  # noqa: S606 (our own interpreter, no shell)
