"""The subscription's vCPU quota: whether the job's machines can start in it.

Source: "Usage - List" of Azure Compute's REST API: ``cores`` is the region's total, and each family of machines
has its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cli.checks.azure_data_factory import QUICK
from cli.checks.azure_databricks import SECONDS
from cli.checks.azure_databricks_compute import NoAnswerError, ask
from cli.checks.finding import Finding
from midnight.errors import first_line
from midnight.settings import Settings

_NAME = "vCPU quota"
_SIZE = re.compile(r"Standard_(?P<series>[A-Z]+)\d+(?:-\d+)?(?P<features>[a-z]*)(?:_(?P<version>v\d+))?")


def check_quota(settings: Settings, databricks_connection: str, factory_connection: str) -> list[Finding]:
    """Compare the job's cluster with the region's remaining quota; no finding for serverless.

    Args:
        settings: name the job and the factory, whose region the workspace shares.
        databricks_connection: Airflow connection of the workspace.
        factory_connection: Airflow connection with the subscription.
    """
    from airflow.providers.databricks.hooks.databricks import DatabricksHook
    from azure.core.exceptions import AzureError

    hook = DatabricksHook(databricks_connection, timeout_seconds=SECONDS, retry_limit=1, caller="Midnight.doctor")
    try:
        job = ask(hook, "2.2/jobs/get", {"job_id": settings.databricks_job_id})["settings"]
        nodes = ask(hook, "2.1/clusters/list-node-types").get("node_types", [])
    except (NoAnswerError, KeyError):
        return []  # the check of the job reports it
    cores = {str(node.get("node_type_id")): int(node.get("num_cores", 0)) for node in nodes}
    clusters = [entry.get("new_cluster", {}) for entry in job.get("job_clusters", [])]
    if any("instance_pool_id" in cluster for cluster in clusters):
        return [Finding.ok(_NAME, "decided by the instance pool of the job's cluster")]
    needed = {c["node_type_id"]: cores.get(c["node_type_id"], 0) * machines_on_demand(c) for c in clusters}
    try:
        location, usages = _usages(settings, factory_connection)
    except (AzureError, ValueError, KeyError) as error:
        hint = "give Airflow's identity Reader on the subscription, or compare: az vm list-usage --location <region>"
        return [Finding.warn(_NAME, f"cannot be looked up: {first_line(error)}", hint)]
    return [_compare(node, wanted, usages, location) for node, wanted in needed.items()]


def machines_on_demand(cluster: Mapping[str, Any]) -> int:
    """How many machines of a cluster cannot be spot machines."""
    if str(cluster.get("azure_attributes", {}).get("availability", "")).startswith("SPOT"):
        return int(cluster["azure_attributes"].get("first_on_demand", 1))
    return 1 + int(cluster.get("autoscale", {}).get("max_workers", cluster.get("num_workers", 0)))


def quota_family(node_type: str) -> str:
    """Name of the quota of a size: ``Standard_D4ds_v5`` counts in ``standardDDSv5Family``. Empty for another form."""
    found = _SIZE.fullmatch(node_type)
    if found is None:
        return ""
    return f"standard{found['series']}{found['features'].upper()}{found['version'] or ''}Family"


def _usages(settings: Settings, connection: str) -> tuple[str, dict[str, tuple[int, int]]]:
    """The region, and of each quota how much is used and allowed."""
    from airflow.providers.microsoft.azure.hooks.data_factory import AzureDataFactoryHook
    from azure.core.rest import HttpRequest

    client = AzureDataFactoryHook(connection).get_conn()
    place = settings.adf_resource_group, settings.adf_factory
    deployed: Any = client.factories.get(*place, **QUICK)
    location = str(deployed.location).replace(" ", "").lower()
    path = (
        f"/subscriptions/{client._config.subscription_id}/providers/Microsoft.Compute/locations/{location}/usages"
        "?api-version=2024-07-01"
    )
    answer = client.send_request(HttpRequest("GET", path), **QUICK)
    answer.raise_for_status()
    usages = {u["name"]["value"].lower(): (int(u["currentValue"]), int(u["limit"])) for u in answer.json()["value"]}
    return location, usages


def _compare(node: str, wanted: int, usages: Mapping[str, tuple[int, int]], location: str) -> Finding:
    lefts = []
    for quota in ("cores", quota_family(node)):
        used, limit = usages.get(quota.lower(), (0, wanted))
        if wanted > limit - used:
            hint = (
                "Azure portal: Quotas, Compute, request more; or a smaller node type (databricks.node_types), fewer "
                "workers (databricks_job.workers), or compute = serverless in the .tfvars file"
            )
            left = f"of which {location} has {limit - used} left ({used} of {limit} used)"
            return Finding.fail(_NAME, f"{quota}: the job's cluster needs {wanted} vCPU, {left}", hint)
        lefts.append(limit - used)
    return Finding.ok(_NAME, f"the job's cluster needs {wanted} of {min(lefts)} vCPU left in {location}")
