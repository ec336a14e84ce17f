"""Validates jobs like the Jobs API 2.2.

The SDK's model detects unknown fields: it does not return them. The rules between fields are those of "Create a
new job" and "Create new cluster" in Azure Databricks' REST API reference, and of "Compute policy reference".
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from databricks.sdk.service.jobs import JobsAPI, JobSettings
from starlette.exceptions import HTTPException

# As clusters/spark-versions lists: supported long-term releases.
SPARK_VERSIONS = ("18.x-scala2.13", "17.3.x-scala2.13", "16.4.x-scala2.13", "16.4.x-scala2.12")
ENVIRONMENT_VERSIONS = ("1", "2", "3", "4", "5")
_COMPUTE = ("job_cluster_key", "new_cluster", "existing_cluster_id", "environment_key")
_REFERENCE = re.compile(r"^\{\{secrets/([^/}]+)/([^/}]+)\}\}$")


class Workspace:
    """The objects that a job may reference.

    Args:
        clusters: ids of clusters that exist.
        policies: id -> definition.
        secrets: scope -> key -> value.
        needs_policy: whether clusters without a policy are refused (Airflow's identity may not create clusters).
        unity_catalog: whether there is a metastore.
    """

    def __init__(self) -> None:
        self.clusters: set[str] = set()
        self.policies: dict[str, dict[str, dict[str, Any]]] = {}
        self.secrets: dict[str, dict[str, str]] = {}
        self.needs_policy = False
        self.unity_catalog = True


def refuse(message: str) -> HTTPException:
    return HTTPException(400, message)


def check_job(settings: dict[str, Any], workspace: Workspace) -> None:
    """Validate the settings of a job.

    Raises:
        HTTPException: 400 with the field; 403 for a cluster that the identity may not create.
    """
    _check_model(settings, JobSettings, "settings")
    clusters = _by_key(settings.get("job_clusters", []), "job_cluster_key")
    environments = _by_key(settings.get("environments", []), "environment_key")
    tasks = _by_key(settings.get("tasks", []), "task_key")
    if not tasks:
        raise refuse("Job settings must have at least one task.")
    _by_key(settings.get("parameters", []), "name")
    for task in tasks.values():
        _check_task(task, tasks, clusters, environments, workspace)
    for cluster in clusters.values():
        check_cluster(cluster["new_cluster"], workspace)
    for environment in environments.values():
        version = environment.get("spec", {}).get("environment_version")
        if version not in ENVIRONMENT_VERSIONS:
            raise refuse(f"environment_version {version!r} is not supported; use one of {ENVIRONMENT_VERSIONS}")
    used = {task.get("job_cluster_key") for task in tasks.values()}
    if set(clusters) - used:
        raise refuse(f"job_clusters {sorted(set(clusters) - used)} are used by no task")


def check_run_now(request: dict[str, Any]) -> None:
    """Refuse a ``run-now`` with unknown fields or a long token.

    Raises:
        HTTPException: 400.
    """
    known = set(inspect.signature(JobsAPI.run_now).parameters)  # the SDK has no model of this request
    if set(request) - known:
        raise refuse(f"MALFORMED_REQUEST: unknown fields {sorted(set(request) - known)}")
    if len(request.get("idempotency_token", "")) > 64:
        raise refuse("The idempotency token is limited to 64 characters.")


def check_cluster(cluster: dict[str, Any], workspace: Workspace) -> None:
    """Refuse a wrong ``ClusterSpec``.

    Raises:
        HTTPException: 400 or 403.
    """
    if cluster.get("spark_version") not in SPARK_VERSIONS:
        raise refuse(f"Invalid spark version {cluster.get('spark_version')!r}. Must be one of {SPARK_VERSIONS}.")
    if ("num_workers" in cluster) == ("autoscale" in cluster):
        raise refuse("Exactly one of num_workers and autoscale must be given.")
    if ("node_type_id" in cluster) == ("instance_pool_id" in cluster):
        raise refuse("Exactly one of node_type_id and instance_pool_id must be given.")
    if "instance_pool_id" in cluster and "azure_attributes" in cluster:
        raise refuse("azure_attributes cannot be supplied when an instance pool ID is provided.")
    if cluster.get("num_workers") == 0:
        wanted = {"spark.databricks.cluster.profile": "singleNode", "spark.master": "local[*]"}
        if not wanted.items() <= cluster.get("spark_conf", {}).items():
            raise refuse("Custom containers and 0 workers: a single node cluster needs its profile in spark_conf.")
    azure = cluster.get("azure_attributes", {})
    if azure.get("availability", "").startswith("SPOT") and azure.get("first_on_demand", 1) < 1:
        raise refuse("first_on_demand must be greater than 0, so that the driver is on demand.")
    if cluster.get("data_security_mode") == "SINGLE_USER" and not workspace.unity_catalog:
        raise refuse("SINGLE_USER needs a workspace with Unity Catalog.")
    _check_secrets(cluster, workspace)
    _check_policy(cluster, workspace)


def _check_model(value: dict[str, Any], model: Any, name: str) -> None:
    try:
        known = model.from_dict(value).as_dict()
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise refuse(f"MALFORMED_REQUEST: {name} cannot be read: {error}") from error
    if known != value:
        unknown = sorted(set(_leaves(value, name)) ^ set(_leaves(known, name)))
        raise refuse(f"MALFORMED_REQUEST: unknown or malformed fields {unknown}")


def _leaves(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{position}]")
    else:
        yield f"{path}={value!r}"


def _by_key(items: list[dict[str, Any]], key: str) -> dict[str, dict[str, Any]]:
    found = {item[key]: item for item in items}
    if len(found) != len(items):
        raise refuse(f"{key} must be unique")
    return found


def _check_task(
    task: dict[str, Any],
    tasks: Mapping[str, Any],
    clusters: Mapping[str, Any],
    environments: Mapping[str, Any],
    workspace: Workspace,
) -> None:
    name = task["task_key"]
    given = [field for field in _COMPUTE if field in task]
    if len(given) != 1:
        raise refuse(f"Task {name} must have exactly one compute, not {given}.")
    missing = [item["task_key"] for item in task.get("depends_on", []) if item["task_key"] not in tasks]
    if missing:
        raise refuse(f"Task {name} depends on {missing}, which do not exist.")
    if task.get("job_cluster_key", next(iter(clusters), None)) not in [*clusters, None]:
        raise refuse(f"Task {name}: job cluster {task['job_cluster_key']!r} is not defined.")
    if "environment_key" in task:
        if task["environment_key"] not in environments:
            raise refuse(f"Task {name}: environment {task['environment_key']!r} is not defined.")
        if task.get("libraries"):
            raise refuse(f"Libraries field is not supported for serverless task {name}, specify them in environment.")
    if task.get("existing_cluster_id", next(iter(workspace.clusters), None)) not in [*workspace.clusters, None]:
        raise refuse(f"Cluster {task['existing_cluster_id']} does not exist.")
    wheel = task.get("python_wheel_task")
    if wheel is None or not wheel.get("package_name") or not wheel.get("entry_point"):
        raise refuse(f"Task {name} has no python_wheel_task with package_name and entry_point.")
    if "new_cluster" in task:
        check_cluster(task["new_cluster"], workspace)


def _check_secrets(cluster: dict[str, Any], workspace: Workspace) -> None:
    for key, value in cluster.get("spark_conf", {}).items():
        reference = _REFERENCE.match(value)
        if reference and reference[2] not in workspace.secrets.get(reference[1], {}):
            raise refuse(f"Secret does not exist with scope: {reference[1]} and key: {reference[2]}")
        if not reference and ("secret" in key or "password" in key):
            raise refuse(f"{key} holds a plain secret")  # stricter than the service


def _check_policy(cluster: dict[str, Any], workspace: Workspace) -> None:
    """Source: "Compute policy reference", policy element types."""
    if "policy_id" not in cluster:
        if workspace.needs_policy:
            raise HTTPException(403, "You are not authorized to create clusters. Please contact your administrator.")
        return
    if cluster["policy_id"] not in workspace.policies:
        raise refuse(f"Can't find a cluster policy with id: {cluster['policy_id']}.")
    for path, rule in workspace.policies[cluster["policy_id"]].items():
        value = _at(cluster, path)
        if value is None or path == "cluster_type":  # fixed values are filled in
            continue
        if not _is_allowed(value, rule):
            raise refuse(f"Validation failed for {path}, the value {value!r} is not allowed by the policy: {rule}")


def _is_allowed(value: Any, rule: Mapping[str, Any]) -> bool:
    evaluate: dict[str, Callable[[], bool]] = {
        "fixed": lambda: value == rule["value"],
        "forbidden": lambda: False,
        "allowlist": lambda: value in rule["values"],
        "blocklist": lambda: value not in rule["values"],
        "regex": lambda: re.fullmatch(rule["pattern"], str(value)) is not None,
        "range": lambda: rule.get("minValue", value) <= value <= rule.get("maxValue", value),
        "unlimited": lambda: True,
    }
    return evaluate[rule["type"]]()


def _at(cluster: dict[str, Any], path: str) -> Any:
    """``custom_tags.project`` or ``spark_conf.spark.master``: keys of the latter have dots themselves."""
    first, _, rest = path.partition(".")
    value = cluster.get(first)
    return value if not rest or value is None else value.get(rest)
