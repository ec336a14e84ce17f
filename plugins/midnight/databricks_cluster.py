"""The job cluster: its size, its machines, and how it reaches the lake."""

from __future__ import annotations

from typing import Any

from midnight.settings import Settings


def new_cluster(settings: Settings) -> dict[str, Any]:
    """``ClusterSpec`` of the job's cluster (Jobs API 2.2), without any secret in it."""
    workers, most = settings.databricks_workers, settings.databricks_max_workers
    cluster: dict[str, Any] = {
        "spark_version": settings.databricks_spark_version,
        # Unity Catalog's access mode for one principal; needed for its external locations.
        "data_security_mode": "NONE" if settings.databricks_lake_secret else "SINGLE_USER",
        "custom_tags": {"project": "midnight"},
        **({"autoscale": {"min_workers": workers, "max_workers": most}} if most else {"num_workers": workers}),
        **_machines(settings),
    }
    spark_conf = _lake_access(settings)
    if workers == 0:
        spark_conf |= {"spark.databricks.cluster.profile": "singleNode", "spark.master": "local[*]"}
        cluster["custom_tags"]["ResourceClass"] = "SingleNode"
    if spark_conf:
        cluster["spark_conf"] = spark_conf
    if settings.databricks_policy_id:
        cluster["policy_id"] = settings.databricks_policy_id
    return cluster


def _machines(settings: Settings) -> dict[str, Any]:
    if settings.databricks_pool_id:
        # The pool decides about node type and spot; Databricks refuses both beside it.
        return {"instance_pool_id": settings.databricks_pool_id}
    on_demand = {"first_on_demand": 1, "availability": "ON_DEMAND_AZURE"}
    # The first machine is the driver: its loss would end the run. A lost worker's part is computed again, and no
    # table changes before the driver's commit. -1: the price alone never takes a machine away.
    spot = {"first_on_demand": 1, "availability": "SPOT_WITH_FALLBACK_AZURE", "spot_bid_max_price": -1}
    uses_spot = settings.databricks_spot and settings.databricks_workers > 0
    return {"node_type_id": settings.databricks_node_type, "azure_attributes": spot if uses_spot else on_demand}


def _lake_access(settings: Settings) -> dict[str, str]:
    """Spark settings of a cluster that reaches the lake without Unity Catalog.

    Source: "Connect to Azure Data Lake Storage" (OAuth 2.0 with a service principal) in Azure Databricks'
    documentation. Databricks puts the secret in; jobs, logs and the cluster's page show the reference only.
    """
    if not settings.databricks_lake_secret:
        return {}
    host = f"{settings.storage_account}.dfs.core.windows.net"
    prefix = "spark.hadoop.fs.azure.account"
    tenant = settings.databricks_lake_tenant_id
    return {
        f"{prefix}.auth.type.{host}": "OAuth",
        f"{prefix}.oauth.provider.type.{host}": "org.apache.hadoop.fs.azurebfs.oauth2.ClientCredsTokenProvider",
        f"{prefix}.oauth2.client.id.{host}": settings.databricks_lake_client_id,
        f"{prefix}.oauth2.client.secret.{host}": f"{{{{secrets/{settings.databricks_lake_secret}}}}}",
        f"{prefix}.oauth2.client.endpoint.{host}": f"https://login.microsoftonline.com/{tenant}/oauth2/token",
    }
