"""The complete azure profile: a real Airflow, and a fake of each Azure service behind its real name."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cli.airflow.client import FINISHED_STATES, AirflowClient
from cli.airflow.services import AirflowServices
from cli.airflow.settings import ADMIN
from cli.instance.folder import Instance
from cli.postgres.embedded import free_port
from midnight.configuration.connections import FIXED_CONNECTIONS, SOURCE_CONNECTION
from midnight.data_factory.resource_files import factory_files
from midnight.databricks.job_payload import job_files
from midnight.settings import REPOSITORY, load_settings
from tests.support.waiting import LIMIT_SECONDS

CONNECTIONS = (*FIXED_CONNECTIONS, SOURCE_CONNECTION, "midnight_lake")
WITHOUT_TABLES = tuple(
    f"midnight_airflow.operators.{name}"
    for name in (
        "plan_batch.PlanBatchOperator",
        "refresh_power_bi.RefreshPowerBiOperator",
        "check_stopped_tables.CheckStoppedTablesOperator",
        "cancel_orphaned_runs.CancelOrphanedRunsOperator",
    )
)
KEY_VAULT_BACKEND = "midnight_airflow.key_vault.KeyVaultBackend"


def variable_of(connection: str) -> str:
    """The environment variable that Airflow reads when its secrets backend has no such connection."""
    return f"AIRFLOW_CONN_{connection.upper()}"


class AzureServices(AirflowServices):
    """Airflow's processes with connections from Key Vault.

    Args:
        azure: environment variables of the cloud and of the profile.
    """

    def __init__(self, *arguments: Any, azure: Mapping[str, str], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._azure = dict(azure)

    def environment(self) -> dict[str, str]:
        environment = super().environment()
        # Airflow imports its secrets backend before it adds plugins/ to the path.
        path = os.pathsep.join([self._azure["PYTHONPATH"], environment["PYTHONPATH"], str(REPOSITORY / "plugins")])
        return {**environment, **self._azure, "PYTHONPATH": path}


class AzureInstance:
    """An instance of the azure profile. Use ``running``.

    Args:
        folder: for the instance and a copy of the configuration.
        azure: variables of the cloud and of the profile, see ``Cloud.environment`` and ``.env.example``.
        vault_url: URL of the vault with the connections.

    Attributes:
        lineage_events: what Airflow's provider for OpenLineage sends, one event per line.
    """

    def __init__(self, folder: Path, azure: Mapping[str, str], vault_url: str) -> None:
        self.home, include = folder / "home", folder / "include"
        self.lineage_events = folder / "lineage.jsonl"
        shutil.copytree(REPOSITORY / "include", include)
        pipeline = include / "pipeline.yml"
        pipeline.write_text(pipeline.read_text().replace("retry_delay_seconds: 60", "retry_delay_seconds: 0"))
        for path, text in (factory_files(include) | job_files(include)).items():  # python -m tools.generated_files
            (include / path).write_text(text)
        backend = {
            "connections_prefix": "airflow-connections",
            "variables_prefix": "airflow-variables",
            "config_prefix": None,
            "vault_url": vault_url,
            "sep": "-",
        }
        variables = {
            "MIDNIGHT_PROFILE": "azure",
            "MIDNIGHT_HOME": str(self.home),
            "MIDNIGHT_CONFIG": str(include),
            # Airflow 3.3.2 tries a task again that resumes before the scheduler has noticed the end of the process that
            # deferred it. The supervisor of that process may sleep for min_heartbeat_interval after its end.
            "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
            "MIDNIGHT_POLLING_SECONDS": "3",
            "AIRFLOW__SECRETS__BACKEND": KEY_VAULT_BACKEND,
            "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps(backend),
            # No connection of the environment may ever be used.
            **dict.fromkeys(map(variable_of, CONNECTIONS), "postgres://stranger:stranger@127.0.0.1:1/elsewhere"),
            "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(
                {"type": "file", "log_file_path": str(self.lineage_events), "append": True}
            ),
            # Each event takes a process of its own; these tasks read and write no table.
            "AIRFLOW__OPENLINEAGE__DISABLED_FOR_OPERATORS": ";".join(WITHOUT_TABLES),
            **azure,
        }
        self.settings = load_settings(variables)
        self.instance = Instance(self.home)
        self.services = AzureServices(self.instance, self.settings, port=free_port(), azure=variables)

    @contextlib.contextmanager
    def running(self) -> Iterator[AzureInstance]:
        """Start Airflow, and end it."""
        self.instance.create()
        try:
            self.services.start()
            self.services.wait_until_healthy()
            deadline = time.monotonic() + LIMIT_SECONDS
            while self.client.dag() is None:
                assert time.monotonic() < deadline, self.client.import_errors()
                time.sleep(0.5)
            yield self
        finally:
            self.services.stop()

    @property
    def client(self) -> AirflowClient:
        return AirflowClient(self.services.url, ADMIN, self.instance.secrets["airflow_admin_password"])

    def run(self, run_id: str, conf: Mapping[str, Any], *, seconds: float = 3 * LIMIT_SECONDS) -> dict[str, str]:
        """Trigger the pipeline and wait for its end.

        Returns:
            State per task.
        """
        client, deadline = self.client, time.monotonic() + seconds
        client.trigger(run_id, conf)
        while client.run_state(run_id) not in FINISHED_STATES and time.monotonic() < deadline:
            time.sleep(0.5)
        return {task.task_id: task.state for task in client.tasks(run_id).values()}

    def errors(self) -> list[str]:
        """Lines of the task logs that tell of an error."""
        paths = sorted((self.instance.logs / "tasks").rglob("*.log"))
        lines = [line for path in paths for line in path.read_text().splitlines()]
        return [line[:2000] for line in lines if '"level":"error"' in line.replace(" ", "")]
