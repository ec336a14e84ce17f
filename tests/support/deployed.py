"""The Databricks job as infra/databricks_job.tf makes it from include/databricks/job.json.

``tests/contracts/test_databricks_job.py`` compares the two; Terraform's own evaluation needs its providers, which are
only in HashiCorp's registry.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from midnight.databricks.job_payload import FILE
from midnight.settings import REPOSITORY

FOLDER = REPOSITORY / "include"
NODE_TYPE = "Standard_D4ds_v5"
LAKE = "midnightlake.dfs.core.windows.net"


def deployed_job(
    wheel: str,
    *,
    folder: Path = FOLDER,
    compute: str = "job_cluster",
    workers: int = 0,
    max_workers: int = 0,
    spot: bool = True,
    pool: str | None = None,
    policy: str | None = None,
    unity_catalog: bool = True,
    lake_secret: str = "",
    masking_scope: str = "midnight",
    **changes: Any,
) -> dict[str, Any]:
    """``JobSettings`` of the job.

    Args:
        wheel: ``var.databricks_wheel``.
        folder: ``var.configuration``.
        compute: of ``var.databricks_job``.
        workers: likewise.
        max_workers: likewise.
        spot: likewise.
        lake_secret: likewise.
        pool: ``instance_pool_id`` of ``var.databricks``.
        unity_catalog: likewise.
        policy: id of the cluster policy; None where the test's workspace has none.
        masking_scope: the secret scope.
        changes: other fields of the job.
    """
    job = json.loads((folder / FILE).read_text()) | changes
    serverless = compute == "serverless"
    values = {"engine": "serverless" if serverless else "databricks", "masking_key": f"scope:{masking_scope}"}
    for parameter in job["parameters"]:
        parameter["default"] = values.get(parameter["name"], parameter["default"])
    for task in job["tasks"]:
        if serverless:
            task |= {"environment_key": "midnight", "disable_auto_optimization": True}
        else:
            task |= {"job_cluster_key": "midnight", "libraries": [{"whl": wheel}]}
    if serverless:
        spec = {"environment_version": "5", "dependencies": [wheel]}
        return job | {
            "performance_target": "STANDARD",
            "environments": [{"environment_key": "midnight", "spec": spec}],
        }
    cluster: dict[str, Any] = {
        "spark_version": "18.x-scala2.13",
        "data_security_mode": "SINGLE_USER" if unity_catalog else "NONE",
        "runtime_engine": "STANDARD",
        "custom_tags": {"project": "midnight"},
        **({"policy_id": policy} if policy else {}),
        **({"instance_pool_id": pool} if pool else {"node_type_id": NODE_TYPE}),
        **({} if pool else {"azure_attributes": machines(workers, spot)}),
        **(
            {"autoscale": {"min_workers": workers, "max_workers": max_workers}}
            if max_workers
            else {"num_workers": workers}
        ),
    }
    conf = lake_access(lake_secret) if lake_secret else {}
    if workers == 0:
        conf |= {"spark.databricks.cluster.profile": "singleNode", "spark.master": "local[*]"}
        cluster["custom_tags"]["ResourceClass"] = "SingleNode"
    if conf:
        cluster["spark_conf"] = conf
    return job | {"job_clusters": [{"job_cluster_key": "midnight", "new_cluster": cluster}]}


def machines(workers: int, spot: bool) -> dict[str, Any]:
    """``azure_attributes``."""
    if spot and workers > 0:
        return {"first_on_demand": 1, "availability": "SPOT_WITH_FALLBACK_AZURE", "spot_bid_max_price": -1}
    return {"first_on_demand": 1, "availability": "ON_DEMAND_AZURE"}


def lake_access(secret: str) -> dict[str, str]:
    """``spark_conf`` of a cluster without Unity Catalog."""
    prefix = "spark.hadoop.fs.azure.account"
    return {
        f"{prefix}.auth.type.{LAKE}": "OAuth",
        f"{prefix}.oauth.provider.type.{LAKE}": "org.apache.hadoop.fs.azurebfs.oauth2.ClientCredsTokenProvider",
        f"{prefix}.oauth2.client.id.{LAKE}": "11111111-0000-0000-0000-000000000000",
        f"{prefix}.oauth2.client.secret.{LAKE}": f"{{{{secrets/{secret}}}}}",
        f"{prefix}.oauth2.client.endpoint.{LAKE}": "https://login.microsoftonline.com/contoso/oauth2/token",
    }
