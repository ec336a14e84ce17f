"""Parses the DAGs in a fresh process, once per environment, and prints what they are as JSON.

python describe_dags.py '[{"MIDNIGHT_PROFILE": "azure"}, {}]'
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization

from midnight.settings import REPOSITORY

HEAVY = (
    *("pyspark", "pysail", "duckdb", "deltalake", "pandas", "numpy", "asyncpg", "pyarrow", "plotly", "sqlglot"),
    *("azure.mgmt.datafactory", "databricks.sdk"),
)


def describe(dag: Any) -> dict[str, Any]:
    DagSerialization.to_dict(dag)  # what the DAG processor does with it
    return {
        "owner": dag.default_args["owner"],
        "tags": sorted(dag.tags),
        "display_name": dag.dag_display_name,
        "owner_links": dag.owner_links,
        "doc_md": dag.doc_md,
        "timetable": repr(dag.timetable),
        "catchup": dag.catchup,
        "max_active_runs": dag.max_active_runs,
        "paused": dag.is_paused_upon_creation,
        "timeout": dag.dagrun_timeout.total_seconds() if dag.dagrun_timeout else None,
        "params": {name: describe_parameter(dag.params.get_param(name)) for name in dag.params},
        "tasks": {task.task_id: describe_task(task) for task in dag.topological_sort()},
    }


def describe_parameter(param: Any) -> dict[str, Any]:
    return {"default": param.value, "description": param.description, "schema": param.schema}


def describe_task(task: Any) -> dict[str, Any]:
    return {
        "type": type(task).__name__,
        "owner": task.owner,
        "retries": task.retries,
        "backoff": task.retry_exponential_backoff,
        "timeout": task.execution_timeout.total_seconds() if task.execution_timeout else None,
        "upstream": sorted(task.upstream_task_ids),
        "outlets": [outlet.name for outlet in task.outlets],
        "trigger_rule": task.trigger_rule.value,
        "retry_policy": type(task.retry_policy).__name__,
    }


def main(environments: list[dict[str, str]]) -> None:
    results = []
    unchanged = dict(os.environ)
    for environment in environments:
        os.environ.clear()
        os.environ.update({**unchanged, **environment})
        started = time.perf_counter()
        bag = DagBag(REPOSITORY / "dags")
        seconds = time.perf_counter() - started
        results.append(
            {
                "seconds": seconds,
                "errors": {Path(path).stem: text for path, text in bag.import_errors.items()},
                "heavy": [name for name in HEAVY if name in sys.modules],
                "dags": {name: describe(dag) for name, dag in bag.dags.items()},
            }
        )
    print("RESULT " + json.dumps(results))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
