"""The job server of an instance: a process that has imported Spark, for the jobs of the local profile."""

from __future__ import annotations

import os
import sys

from cli.instance.folder import Instance
from cli.instance.processes import INSTANCE_VARIABLE, NO_THREADS, ProcessRecord, bytecode_cache, start
from midnight.job_server.messages import SOCKET_NAME
from midnight.settings import REPOSITORY, Settings, python_path

NAME = "job-server"
_CODE_FOLDERS = (REPOSITORY / "spark_jobs", REPOSITORY / "plugins" / "midnight")


def start_job_server(instance: Instance, settings: Settings) -> None:
    """Start the job server if it does not run. It is ready some seconds later; a task that is earlier waits for it.

    Only on Linux: elsewhere, system libraries do not allow to fork after the imports, and each job imports Spark.

    Args:
        instance: must have been created.
        settings: only the local profile has local jobs.
    """
    if settings.profile != "local" or sys.platform != "linux":
        return
    processes = instance.read_state().get("processes", {})
    known = processes.get(NAME)
    if known is not None and ProcessRecord(**known).find() is not None:
        return
    record = start(
        [
            *(sys.executable, "-P", "-m", "midnight.job_server.server"),
            instance.home / SOCKET_NAME,
            "spark_jobs.preload",
            *_CODE_FOLDERS,
        ],
        environment=_environment(instance),
        log=instance.logs / f"{NAME}.log",
    )
    instance.update_state(processes={**processes, NAME: record.as_dict()})


def _environment(instance: Instance) -> dict[str, str]:
    """Without Airflow's variables: a job gets those of its task, but its process starts with these."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "_AIRFLOW"))}
    return {
        **own,
        **NO_THREADS,
        **bytecode_cache(instance.home, own),
        INSTANCE_VARIABLE: instance.id,
        "MIDNIGHT_HOME": str(instance.home),
        "PYTHONPATH": python_path(own.get("PYTHONPATH", "")),
        "PYTHONUNBUFFERED": "1",
    }
