"""Databricks: the workspace answers, and has the job that Terraform deployed, its wheel, its compute and its lake."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cli.checks.azure_databricks_compute import NoAnswerError, ask, check_cluster, permission_level
from cli.checks.azure_databricks_wheel import check_wheel
from cli.checks.finding import NETWORK_HINT, Finding
from midnight.configuration.pipeline import Pipeline
from midnight.databricks.job_payload import MASKING_KEY, job_differences, wheels_of
from midnight.databricks.wheel_name import wheel_name
from midnight.errors import DeploymentError
from midnight.masking import KEY_SECRET
from midnight.settings import Settings

if TYPE_CHECKING:
    from airflow.providers.databricks.hooks.databricks import DatabricksHook

SECONDS = 10
LEVELS = ("CAN_VIEW", "CAN_MANAGE_RUN", "CAN_MANAGE", "IS_OWNER")
_NAME = "Databricks job"


def check_databricks(
    settings: Settings, connection_id: str, pipeline: Pipeline | None = None, *, masked: bool = False
) -> list[Finding]:
    """Everything that a run needs from the workspace.

    Args:
        settings: name the job.
        connection_id: Airflow connection of the workspace.
        pipeline: of the configuration; None when it has errors, and the job is not compared.
        masked: a column is masked, so that the job needs the masking key.
    """
    from airflow.providers.databricks.hooks.databricks import DatabricksHook

    hook = DatabricksHook(connection_id, timeout_seconds=SECONDS, retry_limit=1, caller="Midnight.doctor")
    try:
        versions = ask(hook, "2.1/clusters/spark-versions").get("versions", [])
        me = ask(hook, "2.0/preview/scim/v2/Me")
    except NoAnswerError as error:
        hint = f"correct the connection {connection_id!r}"
        if error.status == 403:
            hint = f"add Airflow's service principal to the workspace, or {hint}"
        elif "timed out" in str(error) or "Max retries exceeded" in str(error):
            hint = f"{NETWORK_HINT}, and the host in the connection {connection_id!r}"
        return [Finding.fail("Databricks", str(error), hint)]
    result = [Finding.ok("Databricks", f"the workspace answers to {me.get('displayName') or me.get('userName')}")]
    try:
        job = ask(hook, "2.2/jobs/get", {"job_id": settings.databricks_job_id})["settings"]
    except (NoAnswerError, KeyError) as error:
        hint = "set MIDNIGHT_DATABRICKS_JOB_ID from terraform output environment_variables; it grants CAN_MANAGE_RUN"
        return [*result, Finding.fail(_NAME, f"job {settings.databricks_job_id}: {error}", hint)]
    result += _check_job(hook, settings, job, me, pipeline)
    result += check_wheel(hook, wheels_of(job), me)
    result += _check_locations(hook, settings, _lake_secret(job))
    if masked:
        result.append(_check_masking_scope(hook, job))
    clusters = [entry.get("new_cluster", {}) for entry in job.get("job_clusters", [])]
    for cluster in clusters:
        result += check_cluster(hook, cluster, [str(version.get("key")) for version in versions])
    return result


def _check_job(
    hook: DatabricksHook, settings: Settings, job: Mapping[str, Any], me: Mapping[str, Any], pipeline: Pipeline | None
) -> list[Finding]:
    """The job is as this code expects it, and Airflow may start and cancel its runs, but not change it."""
    name = f"{job.get('name')!r} ({settings.databricks_job_id})"
    result = []
    try:
        differences = job_differences(job, pipeline, wheel_name()) if pipeline else []
    except DeploymentError as error:
        differences = [str(error)]
    if differences:
        hint = "python -m tools.generated_files, make publish-wheel, then terraform apply (docs/azure.md, step 5)"
        result.append(
            Finding.fail(_NAME, f"{name} differs from what this code expects: {'; '.join(differences)}", hint)
        )
    try:
        answer = ask(hook, f"2.0/permissions/jobs/{settings.databricks_job_id}")
    except NoAnswerError as error:
        found = f"the rights on {name} cannot be looked up: {error}"
        return [*result, Finding.warn(_NAME, found, "terraform apply grants CAN_MANAGE_RUN")]
    level = permission_level(answer.get("access_control_list", []), me, LEVELS)
    if level in ("CAN_MANAGE", "IS_OWNER"):
        found = f"{name}: Airflow's identity has {level}, and could change what the job runs"
        result.append(Finding.warn(_NAME, found, "CAN_MANAGE_RUN is enough (infra/databricks_job.tf)"))
    elif level != "CAN_MANAGE_RUN":
        found = f"{name}: Airflow's identity has {level or 'no right'}, and cannot start it"
        result.append(Finding.fail(_NAME, found, "terraform apply grants CAN_MANAGE_RUN (infra/databricks_job.tf)"))
    return result or [Finding.ok(_NAME, f"{name}: CAN_MANAGE_RUN")]


def _lake_secret(job: Mapping[str, Any]) -> str:
    """``<scope>/<key>`` with which the job's clusters sign in to the lake; empty with Unity Catalog."""
    for entry in job.get("job_clusters", []):
        for key, value in entry.get("new_cluster", {}).get("spark_conf", {}).items():
            if ".oauth2.client.secret." in key:
                return str(value).removeprefix("{{secrets/").removesuffix("}}")
    return ""


def _check_locations(hook: DatabricksHook, settings: Settings, lake_secret: str) -> list[Finding]:
    """Unity Catalog lists an external location only for principals with a privilege on it."""
    if lake_secret:
        # Clusters without Unity Catalog reach the lake as a principal whose secret is in a secret scope.
        scope, _, key = lake_secret.partition("/")
        hint = f"databricks secrets put-secret {scope} {key}, or correct databricks_job.lake_secret in the .tfvars file"
        return [_check_secret(hook, "lake secret", scope, key, hint)]
    try:
        found = ask(hook, "2.1/unity-catalog/external-locations").get("external_locations", [])
    except NoAnswerError as error:
        if error.status in (400, 404):
            hint = "a workspace without it reads the lake directly: give its clusters access (docs/azure.md)"
            return [Finding.warn("Unity Catalog", f"the workspace has no metastore: {error}", hint)]
        return [Finding.fail("external locations", str(error), "give Airflow's service principal rights on them")]
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
        hint = "grant READ FILES on bronze, READ FILES and WRITE FILES on silver and gold (infra/databricks.tf)"
        return [Finding.fail("external locations", f"no usable location for {', '.join(missing)}", hint)]
    read_only = [layer for layer, those in locations.items() if layer != "bronze" and all(those)]
    if read_only:
        return [Finding.fail("external locations", f"{', '.join(read_only)}: read only", "make it writable (infra/)")]
    return [Finding.ok("external locations", f"for {', '.join(locations)}")]


def _check_masking_scope(hook: DatabricksHook, job: Mapping[str, Any]) -> Finding:
    defaults = {item["name"]: item.get("default", "") for item in job.get("parameters", [])}
    scope, name = defaults.get(MASKING_KEY, "").removeprefix("scope:"), "masking key's scope"
    if not scope:
        hint = f"give the job's parameter {MASKING_KEY!r} its secret scope: terraform apply (infra/databricks_job.tf)"
        return Finding.fail(name, "columns are masked, and the job has no secret scope", hint)
    return _check_secret(hook, name, scope, KEY_SECRET, "store the key (docs/azure.md, step 3)")


def _check_secret(hook: DatabricksHook, name: str, scope: str, key: str, hint: str) -> Finding:
    """The job's identity can read a secret scope, and the scope has the secret. Its value is not shown."""
    try:
        keys = [entry.get("key") for entry in ask(hook, "2.0/secrets/list", {"scope": scope}).get("secrets", [])]
    except NoAnswerError as error:
        grant = f"create the scope {scope!r}, and give Airflow's service principal READ on it"
        return Finding.fail(name, f"scope {scope!r}: {error}", grant)
    if key not in keys:
        return Finding.fail(name, f"scope {scope!r} has no {key!r}", hint)
    return Finding.ok(name, f"{scope}/{key}")
