"""The compute of the Databricks job (runtime, machine types, policy), and requests to a workspace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cli.checks.finding import Finding
from midnight.errors import first_line

if TYPE_CHECKING:
    from airflow.providers.databricks.hooks.databricks import DatabricksHook

_NOT_HERE = ("NotAvailableInRegion", "NotEnabledOnSubscription")


class NoAnswerError(Exception):
    """The workspace refused, or did not answer.

    Args:
        status: HTTP status; 0: no answer.
        text: the reason.
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
    except Exception as error:  # the hook's errors depend on the authentication method
        raise NoAnswerError(int(getattr(error, "http_status_code", None) or 0), first_line(error)) from error
    return answer if isinstance(answer, dict) else {}


def permission_level(granted: Sequence[Mapping[str, Any]], me: Mapping[str, Any], levels: Sequence[str]) -> str:
    """The highest level that the identity has itself or through a group; empty for none.

    Args:
        granted: ``access_control_list`` of the Permissions API.
        me: answer of SCIM's ``Me``.
        levels: lowest first; others are left out.
    """
    groups = {group.get("display") for group in me.get("groups", [])}
    own = [
        permission.get("permission_level", "")
        for entry in granted
        if me.get("userName") in (entry.get("service_principal_name"), entry.get("user_name"))
        or entry.get("group_name") in groups
        for permission in entry.get("all_permissions", [])
    ]
    return max((level for level in own if level in levels), key=levels.index, default="")


def check_cluster(hook: DatabricksHook, cluster: Mapping[str, Any], versions: list[str]) -> list[Finding]:
    """Runtime, machine types, and the permission to create a cluster of them.

    Args:
        hook: of the workspace.
        cluster: ``new_cluster`` of the job.
        versions: keys of the runtimes that the workspace offers.
    """
    result = []
    runtime, node = str(cluster.get("spark_version", "")), str(cluster.get("node_type_id", ""))
    pool, policy = str(cluster.get("instance_pool_id") or ""), str(cluster.get("policy_id", ""))
    if runtime not in versions:
        near = [version for version in versions if version.split(".")[0] == runtime.split(".", maxsplit=1)[0]]
        hint = f"set databricks_job.spark_version in the .tfvars file to one of {near or versions}"
        result.append(Finding.fail("Databricks runtime", f"{runtime} is not offered", hint))
    else:
        result.append(Finding.ok("Databricks runtime", runtime))
    try:
        result.append(_pool(hook, pool) if pool else _machines(hook, node))
        result.append(_cluster_right(hook, policy))
    except (NoAnswerError, KeyError) as error:
        result.append(Finding.warn("Databricks compute", f"cannot be looked up: {error}", ""))
    return result


def _machines(hook: DatabricksHook, node: str) -> Finding:
    nodes = {entry.get("node_type_id"): entry for entry in ask(hook, "2.1/clusters/list-node-types")["node_types"]}
    status = nodes.get(node, {}).get("node_info", {}).get("status", [])
    if node not in nodes or any(state in _NOT_HERE for state in status):
        hint = "set databricks.node_types in the .tfvars file to a type that the region and the subscription offer"
        return Finding.fail("Databricks machines", f"{node} is not available: {status or 'unknown'}", hint)
    return Finding.ok("Databricks machines", node)


def _pool(hook: DatabricksHook, pool: str) -> Finding:
    name, hint = "Databricks machines", "give Airflow's service principal CAN_ATTACH_TO, or correct the pool's id"
    try:
        found = ask(hook, "2.0/instance-pools/get", {"instance_pool_id": pool})
    except NoAnswerError as error:
        return Finding.fail(name, f"pool {pool}: {error}", hint)
    if found.get("state", "ACTIVE") != "ACTIVE":
        return Finding.fail(name, f"pool {found.get('instance_pool_name')} is {found['state']}", hint)
    return Finding.ok(name, f"pool {found.get('instance_pool_name')}")


def _cluster_right(hook: DatabricksHook, policy: str) -> Finding:
    """The cluster policy allows this identity to create the cluster."""
    name = "cluster policy"
    if policy:
        # "Returns a list of policies accessible by the requesting user."
        usable = [entry.get("policy_id") for entry in ask(hook, "2.0/policies/clusters/list").get("policies", [])]
        if policy in usable:
            return Finding.ok(name, policy)
        hint = "give Airflow's service principal CAN_USE on it (infra/access.yml, cluster_policy_use)"
        return Finding.fail(name, f"{policy} is not one of the policies that it may use: {usable}", hint)
    return Finding.fail(name, "the job's cluster has none", "terraform apply (infra/databricks_job.tf)")
