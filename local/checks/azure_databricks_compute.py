"""The machines of the Databricks job: runtime, kind, policy; and how a workspace is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from local.checks.finding import Finding, first_line
from midnight.settings import Settings

if TYPE_CHECKING:
    from airflow.providers.databricks.hooks.databricks import DatabricksHook

_NOT_HERE = ("NotAvailableInRegion", "NotEnabledOnSubscription")


class NoAnswerError(Exception):
    """The workspace refused, or did not answer.

    Args:
        status: HTTP status; 0: no answer.
        text: what it said.
    """

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        super().__init__(text)


def ask(hook: DatabricksHook, endpoint: str, parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """One GET.

    Raises:
        NoAnswerError: it was refused, or there was no answer.
    """
    try:
        answer = hook._do_api_call(("GET", endpoint), dict(parameters or {}))
    except Exception as error:  # the hook's errors depend on the way of logging in
        raise NoAnswerError(int(getattr(error, "http_status_code", None) or 0), first_line(error)) from error
    return answer if isinstance(answer, dict) else {}


def check_cluster(
    hook: DatabricksHook, settings: Settings, me: Mapping[str, Any], versions: list[str]
) -> list[Finding]:
    """Runtime, machines, and the right to make a cluster of them."""
    result = []
    runtime, node, policy = (
        settings.databricks_spark_version,
        settings.databricks_node_type,
        settings.databricks_policy_id,
    )
    if runtime not in versions:
        near = [version for version in versions if version.split(".")[0] == runtime.split(".")[0]]
        cure = f"set MIDNIGHT_DATABRICKS_SPARK_VERSION to one of {near or versions}"
        result.append(Finding("Databricks runtime", "fail", f"{runtime} is not offered", cure))
    else:
        result.append(Finding("Databricks runtime", "ok", runtime))
    pool = settings.databricks_pool_id
    try:
        result.append(_pool(hook, pool) if pool else _machines(hook, node))
        result.append(_cluster_right(hook, policy, me))
    except (NoAnswerError, KeyError) as error:
        result.append(Finding("Databricks compute", "warn", f"cannot be looked up: {error}", ""))
    return result


def _machines(hook: DatabricksHook, node: str) -> Finding:
    nodes = {entry.get("node_type_id"): entry for entry in ask(hook, "2.1/clusters/list-node-types")["node_types"]}
    status = nodes.get(node, {}).get("node_info", {}).get("status", [])
    if node not in nodes or any(state in _NOT_HERE for state in status):
        cure = "set MIDNIGHT_DATABRICKS_NODE_TYPE to one that region and subscription have"
        return Finding("Databricks machines", "fail", f"{node} cannot be had: {status or 'unknown'}", cure)
    return Finding("Databricks machines", "ok", node)


def _pool(hook: DatabricksHook, pool: str) -> Finding:
    name, cure = "Databricks machines", "give Airflow's service principal CAN_ATTACH_TO, or correct the pool's id"
    try:
        found = ask(hook, "2.0/instance-pools/get", {"instance_pool_id": pool})
    except NoAnswerError as error:
        return Finding(name, "fail", f"pool {pool}: {error}", cure)
    if found.get("state", "ACTIVE") != "ACTIVE":
        return Finding(name, "fail", f"pool {found.get('instance_pool_name')} is {found['state']}", cure)
    return Finding(name, "ok", f"pool {found.get('instance_pool_name')}")


def _cluster_right(hook: DatabricksHook, policy: str, me: Mapping[str, Any]) -> Finding:
    """Through the policy, or the entitlement to make any cluster."""
    name = "cluster policy"
    if policy:
        # "Returns a list of policies accessible by the requesting user."
        usable = [entry.get("policy_id") for entry in ask(hook, "2.0/policies/clusters/list").get("policies", [])]
        if policy in usable:
            return Finding(name, "ok", policy)
        cure = "give Airflow's service principal CAN_USE on it, or correct MIDNIGHT_DATABRICKS_POLICY_ID"
        return Finding(name, "fail", f"{policy} is not among those that it may use: {usable}", cure)
    entitled = "allow-cluster-create" in [entry.get("value") for entry in me.get("entitlements", [])]
    if entitled or "admins" in [group.get("display") for group in me.get("groups", [])]:
        return Finding(name, "ok", "may make any cluster")
    cure = "set MIDNIGHT_DATABRICKS_POLICY_ID (infra/ makes a policy and prints its id)"
    return Finding(name, "fail", "none is set, and Airflow's identity may not make clusters without one", cure)


def check_existing_cluster(hook: DatabricksHook, settings: Settings) -> list[Finding]:
    """The cluster is there, and may be seen."""
    try:
        cluster = ask(hook, "2.1/clusters/get", {"cluster_id": settings.databricks_cluster_id})
    except NoAnswerError as error:
        cure = "correct MIDNIGHT_DATABRICKS_CLUSTER_ID, and give Airflow's service principal CAN_RESTART on it"
        return [Finding("Databricks cluster", "fail", str(error), cure)]
    return [Finding("Databricks cluster", "ok", f"{cluster.get('cluster_name')} is {cluster.get('state')}")]
