"""Databricks: the workspace answers, has the wheel, and lets the identity run the job on the chosen compute."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from local.checks.finding import Finding, first_line
from local.wheel import WHEEL_NAME, wheel_name
from midnight.settings import REPOSITORY, Settings

if TYPE_CHECKING:
    from airflow.providers.databricks.hooks.databricks import DatabricksHook

SECONDS = 10
LEVELS = ("CAN_VIEW", "CAN_MANAGE_RUN", "CAN_MANAGE", "IS_OWNER")
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


def check_databricks(settings: Settings, connection_id: str) -> list[Finding]:
    """Everything that the night will ask of the workspace.

    Args:
        settings: name wheel, job and compute.
        connection_id: Airflow connection of the workspace.
    """
    from airflow.providers.databricks.hooks.databricks import DatabricksHook  # noqa: PLC0415 - azure profile only

    hook = DatabricksHook(connection_id, timeout_seconds=SECONDS, retry_limit=1, caller="Midnight.doctor")
    try:
        versions = _ask(hook, "2.1/clusters/spark-versions").get("versions", [])
        me = _ask(hook, "2.0/preview/scim/v2/Me")
    except NoAnswerError as error:
        cure = "add Airflow's service principal to the workspace, or correct" if error.status == 403 else "correct"
        return [Finding("Databricks", "fail", str(error), f"{cure} the connection {connection_id!r}")]
    result = [Finding("Databricks", "ok", f"the workspace answers to {me.get('displayName') or me.get('userName')}")]
    for check in (_check_wheel, _check_job, _check_locations):
        result += check(hook, settings, me)
    if settings.databricks_compute == "job_cluster":
        result += _check_cluster(hook, settings, me, [str(version.get("key")) for version in versions])
    elif settings.databricks_compute == "existing_cluster":
        result += _check_existing_cluster(hook, settings)
    return result


def _ask(hook: DatabricksHook, endpoint: str, parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """One GET.

    Raises:
        NoAnswerError: it was refused, or there was no answer.
    """
    try:
        answer = hook._do_api_call(("GET", endpoint), dict(parameters or {}))
    except Exception as error:  # the hook's errors depend on the way of logging in
        raise NoAnswerError(int(getattr(error, "http_status_code", None) or 0), first_line(error)) from error
    return answer if isinstance(answer, dict) else {}


def _check_wheel(hook: DatabricksHook, settings: Settings, me: Mapping[str, Any]) -> list[Finding]:
    wheel = settings.databricks_wheel
    folder = wheel.rpartition("/")[0]
    cure = "make publish-wheel, and set MIDNIGHT_DATABRICKS_WHEEL as it says"
    try:
        if wheel.startswith("/Volumes/"):
            found = _ask(hook, f"2.0/fs/directories{folder}").get("contents", [])
            present = any(entry.get("path") == wheel for entry in found)
        elif wheel.startswith("/Workspace/"):
            path = {"path": wheel.removeprefix("/Workspace")}
            present = bool(_ask(hook, "2.0/workspace/get-status", path).get("path"))
        else:
            return [Finding("wheel", "warn", f"{wheel} cannot be looked up from here", "keep it in /Volumes/")]
    except NoAnswerError as error:
        if error.status == 403:
            cure = "let Airflow's service principal read there (READ VOLUME, or CAN READ on the folder)"
        return [Finding("wheel", "fail", f"{wheel}: {error}", cure)]
    if not present:
        return [Finding("wheel", "fail", f"{wheel} is not there", cure)]
    name = wheel.rpartition("/")[2]
    built = wheel_name() if (REPOSITORY / "pyproject.toml").exists() else name  # the container image has none
    if name != built and WHEEL_NAME.fullmatch(name):
        return [Finding("wheel", "warn", f"{name} was built from other sources than these ({built})", cure)]
    return [Finding("wheel", "ok", wheel)]


def _check_job(hook: DatabricksHook, settings: Settings, me: Mapping[str, Any]) -> list[Finding]:
    """Airflow makes the job at its first run; after that it needs its right on it."""
    name = settings.databricks_job
    try:
        jobs = _ask(hook, "2.1/jobs/list", {"name": name}).get("jobs", [])
        if not jobs:
            return [Finding("Databricks job", "ok", f"{name!r} is made at the first run")]
        if len(jobs) > 1:
            found = f"{len(jobs)} jobs are named {name!r}: {[job.get('job_id') for job in jobs]}"
            return [Finding("Databricks job", "fail", found, "delete all but one")]
        granted = _ask(hook, f"2.0/permissions/jobs/{jobs[0]['job_id']}").get("access_control_list", [])
    except NoAnswerError as error:
        return [Finding("Databricks job", "warn", f"the rights on {name!r} cannot be looked up: {error}", "")]
    level = _level(granted, me)
    if level in ("CAN_MANAGE", "IS_OWNER"):
        return [Finding("Databricks job", "ok", f"{name!r}: {level}")]
    by_hand = "save what `python -m midnight.databricks_payload` prints after each change of a setting"
    if level == "CAN_MANAGE_RUN":
        found = f"{name!r}: CAN_MANAGE_RUN starts and cancels runs, but does not update the job"
        return [Finding("Databricks job", "warn", found, f"give CAN_MANAGE, or {by_hand}")]
    found = f"{name!r}: Airflow's identity has {level or 'no right'}, and cannot start it"
    return [Finding("Databricks job", "fail", found, f"give it CAN_MANAGE (or CAN_MANAGE_RUN, and {by_hand})")]


def _level(granted: list[dict[str, Any]], me: Mapping[str, Any]) -> str:
    """The highest level that the identity has itself or by a group."""
    groups = {group.get("display") for group in me.get("groups", [])}
    own = [
        permission.get("permission_level", "")
        for entry in granted
        if me.get("userName") in (entry.get("service_principal_name"), entry.get("user_name"))
        or entry.get("group_name") in groups
        for permission in entry.get("all_permissions", [])
    ]
    return max((level for level in own if level in LEVELS), key=LEVELS.index, default="")


def _check_locations(hook: DatabricksHook, settings: Settings, me: Mapping[str, Any]) -> list[Finding]:
    """Unity Catalog shows an external location only to those who have a right on it."""
    direct: str = getattr(settings, "databricks_lake_secret", "")
    if direct:
        return _check_lake_secret(hook, direct)
    try:
        found = _ask(hook, "2.1/unity-catalog/external-locations").get("external_locations", [])
    except NoAnswerError as error:
        if error.status in (400, 404):
            cure = "a workspace without it reads the lake directly: let its clusters do so (docs/azure.md)"
            return [Finding("Unity Catalog", "warn", f"the workspace has no metastore: {error}", cure)]
        return [Finding("external locations", "fail", str(error), "give Airflow's service principal rights on them")]
    # Layer -> whether each of its locations is read only.
    locations: dict[str, list[bool]] = {
        layer: [
            bool(location.get("read_only"))
            for location in found
            if f"{root}/".startswith(str(location.get("url", "")).rstrip("/") + "/")
        ]
        for layer, root in settings.paths.as_dict().items()
    }
    missing = [layer for layer, those in locations.items() if not those]
    if missing:
        cure = "grant READ FILES on bronze, READ FILES and WRITE FILES on silver and gold (infra/databricks.tf)"
        return [Finding("external locations", "fail", f"none that it may use for {', '.join(missing)}", cure)]
    read_only = [layer for layer, those in locations.items() if layer != "bronze" and all(those)]
    if read_only:
        return [
            Finding("external locations", "fail", f"{', '.join(read_only)}: read only", "make it writable (infra/)")
        ]
    return [Finding("external locations", "ok", f"for {', '.join(locations)}")]


def _check_lake_secret(hook: DatabricksHook, secret: str) -> list[Finding]:
    """Clusters without Unity Catalog reach the lake as a principal whose secret is in a secret scope."""
    scope, _, key = secret.partition("/")
    try:
        keys = [entry.get("key") for entry in _ask(hook, "2.0/secrets/list", {"scope": scope}).get("secrets", [])]
    except NoAnswerError as error:
        cure = f"make the scope {scope!r}, and give Airflow's service principal READ on it"
        return [Finding("lake secret", "fail", f"scope {scope!r}: {error}", cure)]
    if key not in keys:
        cure = f"databricks secrets put-secret {scope} {key}, or correct MIDNIGHT_DATABRICKS_LAKE_SECRET"
        return [Finding("lake secret", "fail", f"scope {scope!r} has no {key!r}", cure)]
    return [Finding("lake secret", "ok", secret)]


def _check_cluster(
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
    pool: str = getattr(settings, "databricks_pool_id", "")
    try:
        result.append(_pool(hook, pool) if pool else _machines(hook, node))
        result.append(_cluster_right(hook, policy, me))
    except (NoAnswerError, KeyError) as error:
        result.append(Finding("Databricks compute", "warn", f"cannot be looked up: {error}", ""))
    return result


def _machines(hook: DatabricksHook, node: str) -> Finding:
    nodes = {entry.get("node_type_id"): entry for entry in _ask(hook, "2.1/clusters/list-node-types")["node_types"]}
    status = nodes.get(node, {}).get("node_info", {}).get("status", [])
    if node not in nodes or any(state in _NOT_HERE for state in status):
        cure = "set MIDNIGHT_DATABRICKS_NODE_TYPE to one that region and subscription have"
        return Finding("Databricks machines", "fail", f"{node} cannot be had: {status or 'unknown'}", cure)
    return Finding("Databricks machines", "ok", node)


def _pool(hook: DatabricksHook, pool: str) -> Finding:
    name, cure = "Databricks machines", "give Airflow's service principal CAN_ATTACH_TO, or correct the pool's id"
    try:
        found = _ask(hook, "2.0/instance-pools/get", {"instance_pool_id": pool})
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
        usable = [entry.get("policy_id") for entry in _ask(hook, "2.0/policies/clusters/list").get("policies", [])]
        if policy in usable:
            return Finding(name, "ok", policy)
        cure = "give Airflow's service principal CAN_USE on it, or correct MIDNIGHT_DATABRICKS_POLICY_ID"
        return Finding(name, "fail", f"{policy} is not among those that it may use: {usable}", cure)
    entitled = "allow-cluster-create" in [entry.get("value") for entry in me.get("entitlements", [])]
    if entitled or "admins" in [group.get("display") for group in me.get("groups", [])]:
        return Finding(name, "ok", "may make any cluster")
    cure = "set MIDNIGHT_DATABRICKS_POLICY_ID (infra/ makes a policy and prints its id)"
    return Finding(name, "fail", "none is set, and Airflow's identity may not make clusters without one", cure)


def _check_existing_cluster(hook: DatabricksHook, settings: Settings) -> list[Finding]:
    try:
        cluster = _ask(hook, "2.1/clusters/get", {"cluster_id": settings.databricks_cluster_id})
    except NoAnswerError as error:
        cure = "correct MIDNIGHT_DATABRICKS_CLUSTER_ID, and give Airflow's service principal CAN_RESTART on it"
        return [Finding("Databricks cluster", "fail", str(error), cure)]
    return [Finding("Databricks cluster", "ok", f"{cluster.get('cluster_name')} is {cluster.get('state')}")]
