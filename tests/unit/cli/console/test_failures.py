"""What the terminal says of tasks that failed, and of those that Airflow tries again."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace
from typing import Any

from rich.console import Console

from cli.airflow.client import DAG_ID, TaskState
from cli.console.failures import failed_tasks, print_failures

STATES = {"ingest.main": "success", "serve.gold_to_serving": "up_for_retry", "gold.silver_to_gold": "failed"}


def printed(tmp_path, state: str) -> str:
    tasks = {name: TaskState(name, its, 1.0, 2) for name, its in STATES.items()}
    client: Any = SimpleNamespace(tasks=lambda run_id: tasks)
    for name in STATES:
        folder = tmp_path / f"dag_id={DAG_ID}" / "run_id=r" / f"task_id={name}"
        folder.mkdir(parents=True, exist_ok=True)
        error = {"event": "Task failed", "level": "error", "error_detail": [{"exc_type": "E", "exc_value": name}]}
        (folder / "attempt=2.log").write_text(json.dumps(error))
    output = io.StringIO()
    failures = failed_tasks(client, "r", tmp_path, state)
    print_failures(Console(file=output, width=300), "r", failures, retried=state == "up_for_retry")
    return output.getvalue()


def test_a_task_that_waits_for_its_retry_is_shown_with_the_error_of_its_last_try(tmp_path):
    text = printed(tmp_path, "up_for_retry")
    assert text.startswith(
        "↻ task serve.gold_to_serving failed, Airflow tries again\n  E: serve.gold_to_serving\n  log: "
    )
    assert "silver_to_gold" not in text


def test_a_failed_task_is_shown_with_its_error_and_its_log(tmp_path):
    text = printed(tmp_path, "failed")
    assert text.startswith("✗ task gold.silver_to_gold failed\n  E: gold.silver_to_gold\n  log: ")
    assert text.rstrip().endswith("attempt=2.log")
