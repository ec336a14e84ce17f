"""Databricks: the workspace answers, has the wheel, and lets the identity run the job on the chosen compute."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from local.checks.azure_databricks_compute import NoAnswerError, ask, check_cluster, check_existing_cluster
from local.checks.finding import NETWORK_CURE, Finding
from local.wheel import WHEEL_NAME, wheel_name
from midnight.masking import KEY_SECRET
from midnight.settings import REPOSITORY, Settings

if TYPE_CHECKING:
    from airflow.providers.databricks.hooks.databricks import DatabricksHook

SECONDS = 10
LEVELS = ("CAN_VIEW", "CAN_MANAGE_RUN", "CAN_MANAGE", "IS_OWNER")


def check_databricks(settings: Settings, connection_id: str, *, masked: bool = False) -> list[Finding]:
    """Everything that the night will ask of the workspace.

    Args:
        settings: name wheel, job and compute.
        connection_id: Airflow connection of the workspace.
        masked: a column is masked, so that the job needs the masking key.
    """
    from airflow.providers.databricks.hooks.databricks import DatabricksHook  # noqa: PLC0415 - azure profile only

    hook = DatabricksHook(connection_id, timeout_seconds=SECONDS, retry_limit=1, caller="Midnight.doctor")
    try:
        versions = ask(hook, "2.1/clusters/spark-versions").get("versions", [])
        me = ask(hook, "2.0/preview/scim/v2/Me")
    except NoAnswerError as error:
        cure = f"correct the connection {connection_id!r}"
        if error.status == 403:
            cure = f"add Airflow's service principal to the workspace, or {cure}"
        elif "timed out" in str(error) or "Max retries exceeded" in str(error):
            cure = f"{NETWORK_CURE}, and the host in the connection {connection_id!r}"
        return [Finding("Databricks", "fail", str(error), cure)]
    result = [Finding("Databricks", "ok", f"the workspace answers to {me.get('displayName') or me.get('userName')}")]
    for check in (_check_wheel, _check_job, _check_locations):
        result += check(hook, settings, me)
    if masked:
        result.append(_check_masking_scope(hook, settings.databricks_secret_scope))
    if settings.databricks_compute == "job_cluster":
        result += check_cluster(hook, settings, me, [str(version.get("key")) for version in versions])
    elif settings.databricks_compute == "existing_cluster":
        result += check_existing_cluster(hook, settings)
    return result


def _check_wheel(hook: DatabricksHook, settings: Settings, me: Mapping[str, Any]) -> list[Finding]:
    wheel = settings.databricks_wheel
    folder = wheel.rpartition("/")[0]
    cure = "make publish-wheel, and set MIDNIGHT_DATABRICKS_WHEEL as it says"
    try:
        if wheel.startswith("/Volumes/"):
            found = ask(hook, f"2.0/fs/directories{folder}").get("contents", [])
            present = any(entry.get("path") == wheel for entry in found)
        elif wheel.startswith("/Workspace/"):
            path = {"path": wheel.removeprefix("/Workspace")}
            present = bool(ask(hook, "2.0/workspace/get-status", path).get("path"))
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
        jobs = ask(hook, "2.1/jobs/list", {"name": name}).get("jobs", [])
        if not jobs:
            return [Finding("Databricks job", "ok", f"{name!r} is made at the first run")]
        if len(jobs) > 1:
            found = f"{len(jobs)} jobs are named {name!r}: {[job.get('job_id') for job in jobs]}"
            return [Finding("Databricks job", "fail", found, "delete all but one")]
        granted = ask(hook, f"2.0/permissions/jobs/{jobs[0]['job_id']}").get("access_control_list", [])
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
    if settings.databricks_lake_secret:
        # Clusters without Unity Catalog reach the lake as a principal whose secret is in a secret scope.
        scope, _, key = settings.databricks_lake_secret.partition("/")
        cure = f"databricks secrets put-secret {scope} {key}, or correct MIDNIGHT_DATABRICKS_LAKE_SECRET"
        return [_check_secret(hook, "lake secret", scope, key, cure)]
    try:
        found = ask(hook, "2.1/unity-catalog/external-locations").get("external_locations", [])
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


def _check_masking_scope(hook: DatabricksHook, scope: str) -> Finding:
    name = "masking key's scope"
    if not scope:
        cure = "set MIDNIGHT_DATABRICKS_SECRET_SCOPE to a secret scope that is backed by the Key Vault (docs/azure.md)"
        return Finding(name, "fail", "columns are masked, and no secret scope is set", cure)
    return _check_secret(hook, name, scope, KEY_SECRET, "store the key (docs/azure.md, step 3)")


def _check_secret(hook: DatabricksHook, name: str, scope: str, key: str, cure: str) -> Finding:
    """A secret scope can be read by this identity, as which the job runs, and has a secret. Its value is not shown."""
    try:
        keys = [entry.get("key") for entry in ask(hook, "2.0/secrets/list", {"scope": scope}).get("secrets", [])]
    except NoAnswerError as error:
        grant = f"make the scope {scope!r}, and give Airflow's service principal READ on it"
        return Finding(name, "fail", f"scope {scope!r}: {error}", grant)
    if key not in keys:
        return Finding(name, "fail", f"scope {scope!r} has no {key!r}", cure)
    return Finding(name, "ok", f"{scope}/{key}")
