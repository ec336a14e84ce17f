"""Airflow's configuration on this machine: SQLite, LocalExecutor, one login, everything on 127.0.0.1.

The reason for each difference from Airflow's defaults is written next to each setting.
"""

from __future__ import annotations

import json
from pathlib import Path

from cli.instance.folder import Instance
from midnight.settings import REPOSITORY

ADMIN = "admin"


def url_of(port: int) -> str:
    """Of the API server and UI."""
    return f"http://127.0.0.1:{port}"


def password_file(instance: Instance) -> Path:
    """Where Airflow reads the passwords of its logins."""
    return instance.airflow_home / "passwords.json"


def database_of(instance: Instance, *, timeout_seconds: int) -> str:
    """URL of the metadata database.

    Args:
        instance: must have been created.
        timeout_seconds: how long a process waits while another one writes.
    """
    return f"sqlite:///{instance.airflow_home / 'airflow.db'}?timeout={timeout_seconds}"


def api_server_settings(instance: Instance) -> dict[str, str]:
    """The API server's differences from ``airflow_settings``.

    Some of its routes write from its event loop, and so block another request that holds the lock: the server then
    hangs until the timeout, answers 500, and the client retries.
    """
    return {"database__sql_alchemy_conn": database_of(instance, timeout_seconds=3)}


def airflow_settings(instance: Instance, port: int, dags: Path) -> dict[str, str]:
    """``section__key`` -> value, for the environment of every Airflow process.

    Args:
        instance: must have been created.
        port: of the API server and UI.
        dags: folder with the DAG files.
    """
    known, url = instance.secrets, url_of(port)
    return {
        "core__dags_folder": str(dags),
        "core__plugins_folder": str(REPOSITORY / "plugins"),
        "core__load_examples": "False",
        "core__executor": "LocalExecutor",
        "core__parallelism": "4",  # it forks that many workers at once: 32 by default
        "core__fernet_key": known["airflow_fernet_key"],
        "core__hostname_callable": "socket.gethostname",  # the default asks the name server
        "core__auth_manager": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
        "core__simple_auth_manager_users": f"{ADMIN}:admin",
        "core__simple_auth_manager_passwords_file": str(password_file(instance)),
        "core__execution_api_server_url": f"{url}/execution/",
        # After 5 seconds, SQLite's default, a busy machine loses its scheduler.
        "database__sql_alchemy_conn": database_of(instance, timeout_seconds=60),
        "api__host": "127.0.0.1",
        "api__port": str(port),
        "api__base_url": url,  # changing the port alone breaks every task
        "api__workers": "1",
        "api__secret_key": known["airflow_api_secret_key"],
        "api_auth__jwt_secret": known["airflow_jwt_secret"],
        "logging__base_log_folder": str(instance.logs / "tasks"),
        "logging__colored_console_log": "False",
        "dag_processor__refresh_interval": "30",  # a new DAG file shows up after this, not after 300 s
        "dag_processor__parsing_processes": "1",
        "scheduler__scheduler_idle_sleep_time": "0.5",
        # The scheduler is up before the API server, and goes on with a run that a restart interrupted. A task that
        # asks a server which is not there yet waits for it, instead of losing a try after some seconds.
        # One request reports a task's success with the events of all assets (midnight_airflow/assets.py): 1,000 of them
        # took 33 s on a busy machine, and the second request after a timeout fails the task.
        "workers__execution_api_timeout": "300",
        "workers__execution_api_retries": "15",
        "workers__execution_api_retry_wait_max": "5",
        "secrets__backend": "airflow.secrets.local_filesystem.LocalFilesystemBackend",
        # One JSON document: single BACKEND_KWARG__ variables arrive as raw strings.
        "secrets__backend_kwargs": json.dumps(
            {
                "connections_file_path": str(instance.connections),
                "variables_file_path": str(instance.variables),
            }
        ),
    }
