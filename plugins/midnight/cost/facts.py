"""What a run has used, counted by the answers of the services."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from midnight.configuration.prices import Prices

Meter = Literal[
    "machine_hour",
    "dbu",
    "storage_gb_month",
    "write_operations",
    "scanned_tb",
    "key_vault_operations",
    "copy_hour",
    "diu_hour",
    "activity_runs",
    "capacity_minute",
    "free",
]
# Units of the price -> units that are counted.
UNITS: dict[Meter, int] = {"write_operations": 10_000, "key_vault_operations": 10_000, "activity_runs": 1_000}
HOURS_OF_MONTH = 730
GB = 2**30
MB_OF_TB = 2**20
LEAST_SCANNED_MB = 10  # of each query: "Cost management for serverless SQL pool", Microsoft Learn


class CostFact(BaseModel):
    """A counted fact.

    Args:
        part: the service, as in ``CostItem.part``.
        meter: the price that it is multiplied by; ``free``: none.
        quantity: in units of the price (hours, GB-months, TB, minutes), or single operations and runs.
        text: what was counted, for people.
        table: silver table or gold model that caused it; empty if none alone did.
        stage: whose tables share it (``allocate``); empty: it is not shared.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    part: str
    meter: Meter
    quantity: Decimal
    text: str
    table: str = ""
    stage: str = ""


def databricks_facts(run: Mapping[str, Any], step: str, prices: Prices | None = None) -> list[CostFact]:
    """Machine hours and Databricks units of one step.

    A step is billed from the allocation of its cluster to its end: set-up, execution and clean-up, times the machines.
    A cluster that may grow counts with its greatest number of machines, since the answer does not tell how many ran.

    Args:
        run: response of ``jobs/runs/get``.
        step: task key; every try of it counts.
        prices: for the number of units per machine and hour; None: 1.
    """
    machines = machines_of(run, step)
    attempts = [task for task in run.get("tasks", []) if task["task_key"] == step]
    names = ("setup_duration", "execution_duration", "cleanup_duration")
    milliseconds = sum(int(task.get(name) or 0) for task in attempts for name in names)
    if not milliseconds:
        return []
    hours = Decimal(milliseconds * machines) / 3_600_000
    units = Decimal(1) if prices is None else prices.dbu_per_machine_hour.exact
    shown = f"{milliseconds / 1000:,.0f} s of {machines} machine{'s' if machines > 1 else ''}"
    return [
        CostFact(part="databricks", meter="machine_hour", quantity=hours, text=f"{step}: {shown}", stage=step),
        CostFact(part="databricks", meter="dbu", quantity=hours * units, text=f"{step}: units of {shown}", stage=step),
    ]


def machines_of(run: Mapping[str, Any], step: str) -> int:
    """Machines of a step's cluster: the driver and the greatest number of workers; 1 for serverless compute."""
    clusters = {item.get("job_cluster_key"): item.get("new_cluster", {}) for item in run.get("job_clusters", [])}
    tasks = [task for task in run.get("tasks", []) if task["task_key"] == step]
    key = tasks[-1].get("job_cluster_key") if tasks else None
    cluster = tasks[-1].get("new_cluster") or clusters.get(key, {}) if tasks else {}
    scale = cluster.get("autoscale") or {}
    return 1 + int(scale.get("max_workers") or cluster.get("num_workers") or 0)


def data_factory_facts(
    activities: Iterable[Mapping[str, Any]], silver_names: Mapping[str, str] | None = None
) -> list[CostFact]:
    """Activity runs and data movement, by table where an activity has one.

    Every run of an activity counts, a failed one too. The output of a copy says what it is billed:
    ``billingReference``; hours are those of the self-hosted runtime, or data integration units times hours.

    Args:
        activities: of a pipeline run ("Activity Runs - Query By Pipeline Run").
        silver_names: ``schema.table`` -> silver table; others keep their name.
    """
    facts = []
    for activity in activities:
        source = str((activity.get("userProperties") or {}).get("Table") or "")
        table = (silver_names or {}).get(source, source)
        name = f"{activity['activityName']}{f' of {source}' if source else ''}"
        common: dict[str, Any] = {"part": "data_factory", "table": table}
        facts.append(CostFact(meter="activity_runs", quantity=Decimal(1), text=f"run of {name}", **common))
        reference = (activity.get("output") or {}).get("billingReference") or {}
        for billed in reference.get("billableDuration") or ():
            meter: Meter = "diu_hour" if billed.get("unit") == "DIUHours" else "copy_hour"
            quantity = Decimal(str(billed.get("duration") or 0))
            unit = "DIU hours" if meter == "diu_hour" else "hours of data movement"
            facts.append(CostFact(meter=meter, quantity=quantity, text=f"{unit} of {name}", **common))
    return facts


def scan_facts(megabytes: float, text: str) -> list[CostFact]:
    """What serverless SQL has processed, in MB as ``sys.dm_external_data_processed`` counts them."""
    return [CostFact(part="synapse", meter="scanned_tb", quantity=Decimal(str(megabytes)) / MB_OF_TB, text=text)]


def least_scanned_mb(queries: int) -> int:
    """What queries over files are billed at least, where the service does not tell what they have processed."""
    return queries * LEAST_SCANNED_MB


def billed_mb(processed_bytes: int) -> int:
    """What one query over files is billed: rounded up to a MB, at least 10."""
    return max(LEAST_SCANNED_MB, math.ceil(processed_bytes / 2**20))


def storage_facts(
    kept: Mapping[str, int], *, hours: float, writes: int, stage: str = "bronze_to_silver"
) -> list[CostFact]:
    """Bytes that are kept from one run to the next, by table, and write operations.

    Args:
        kept: table or model -> bytes.
        hours: since the run before.
        writes: files and other write operations of the run.
        stage: whose tables share the writes.
    """
    month = Decimal(str(hours)) / HOURS_OF_MONTH
    facts = [
        CostFact(
            part="storage",
            meter="storage_gb_month",
            quantity=Decimal(size) / GB * month,
            text=f"{size / GB:,.3g} GB for {hours:g} h",
            table=name,
        )
        for name, size in sorted(kept.items())
    ]
    if writes:
        text = f"{writes:,} write operations"
        quantity = Decimal(writes)
        facts.append(CostFact(part="storage", meter="write_operations", quantity=quantity, text=text, stage=stage))
    return facts


def key_vault_facts(operations: int) -> list[CostFact]:
    """Requests to the vault."""
    if not operations:
        return []
    text = f"{operations:,} operations"
    return [CostFact(part="key_vault", meter="key_vault_operations", quantity=Decimal(operations), text=text)]


def refresh_facts(seconds: float) -> list[CostFact]:
    """A refresh on a capacity."""
    minutes = Decimal(str(seconds)) / 60
    return [CostFact(part="power_bi", meter="capacity_minute", quantity=minutes, text=f"refresh of {seconds:,.0f} s")]


def local_facts(seconds: Mapping[str, float]) -> list[CostFact]:
    """What a laptop has worked for each table: counted, and free."""
    return [
        CostFact(part="local", meter="free", quantity=Decimal(str(value)), text="seconds of this machine", table=name)
        for name, value in sorted(seconds.items())
    ]
