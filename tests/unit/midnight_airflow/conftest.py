"""A context like that of Airflow's task runner, with the parts that the operators use."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

RUN_AFTER = datetime(2026, 1, 2, 0, 0, tzinfo=UTC)


class TaskStateStore:
    """``context["task_state_store"]``: survives retries and clears."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def get(self, key: str, default: Any = None) -> Any:
        return self.values.get(key, default)

    def set(self, key: str, value: Any, *, retention: Any = None) -> None:
        self.values[key] = json.loads(json.dumps(value))


class TaskInstance(SimpleNamespace):
    """``context["ti"]``; ``xcoms`` contains the XComs of all tasks of the run."""

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[self.task_id, key] = value

    def xcom_pull(self, task_ids: str, key: str) -> Any:
        return self.xcoms.get((task_ids, key))


class DagRun:
    """One DAG run; returns the context of each try of its tasks."""

    def __init__(self, run_id: str = "manual__1") -> None:
        self.run_id = run_id
        self.xcoms: dict[tuple[str, str], Any] = {}
        self.stores: dict[str, TaskStateStore] = {}
        self.tries: dict[str, int] = {}
        self.max_tries: dict[str, int] = {}

    def try_task(self, operator: Any, *, cleared: bool = False, conf: dict[str, Any] | None = None) -> dict[str, Any]:
        """The context of the next try; with ``cleared`` the task was cleared by hand before."""
        name = operator.task_id
        if cleared:  # airflow.models.taskinstance.clear_task_instances
            self.max_tries[name] = self.tries[name] + operator.retries
        self.tries[name] = self.tries.get(name, 0) + 1
        instance = TaskInstance(
            dag_id="midnight_pipeline",
            run_id=self.run_id,
            task_id=name,
            task=operator,
            try_number=self.tries[name],
            max_tries=self.max_tries.setdefault(name, operator.retries),
            xcoms=self.xcoms,
            log_url=f"http://127.0.0.1:8080/dags/midnight_pipeline/runs/{self.run_id}/tasks/{name}?try_number=1",
        )
        return {
            "ti": instance,
            "run_id": self.run_id,
            "dag_run": SimpleNamespace(run_id=self.run_id, logical_date=None, run_after=RUN_AFTER, conf=conf),
            "dag": SimpleNamespace(params={"tables": [], "full_reload": False, "ingest_with": "operator"}),
            "params": {"tables": [], "full_reload": False, "ingest_with": "operator", **(conf or {})},
            "task_state_store": self.stores.setdefault(name, TaskStateStore()),
        }


@pytest.fixture
def dag_run() -> DagRun:
    return DagRun()


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> None:
    """The azure profile."""
    for name, value in {
        "MIDNIGHT_PROFILE": "azure",
        "MIDNIGHT_STORAGE_ACCOUNT": "lake",
        "MIDNIGHT_DATABRICKS_JOB_ID": "7",
        "MIDNIGHT_ADF_RESOURCE_GROUP": "group",
        "MIDNIGHT_ADF_FACTORY": "factory",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def local_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The local profile with a temporary home."""
    monkeypatch.setenv("MIDNIGHT_PROFILE", "local")
    monkeypatch.setenv("MIDNIGHT_HOME", str(tmp_path))
    return tmp_path
