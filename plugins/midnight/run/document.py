"""The input of the Spark jobs of one run: one JSON document in the lake, so that a job's arguments stay small.

It holds everything that a job needs besides the data (table configuration, sealed manifests, gold models), so that the
same document on another day or engine gives the same tables.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from midnight.bronze.manifest import Manifest
from midnight.configuration.tables import Table
from midnight.lake.paths import LakePaths
from midnight.silver_to_gold.models import GoldModel
from midnight.silver_to_gold.refresh.plan import RefreshPlan


class TableWork(BaseModel):
    """One table and the batches to apply, oldest first: the last full snapshot and its increments; in a rebuild all."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    table: Table
    batches: tuple[Manifest, ...]


class RunDocument(BaseModel):
    """The plan of one run.

    Args:
        batch_id: the run's batch.
        run_id: Airflow's run id.
        lake: roots of the layers.
        rebuild: silver is rebuilt from ``batches`` in order; otherwise they are merged into it.
        tables: in no particular order; the job orders them by their foreign keys.
        models: gold models, each after the models that it references.
        refresh: model -> how it is refreshed; a model without a plan is built whole whenever an input changed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    batch_id: str
    run_id: str
    lake: dict[str, str]
    rebuild: bool = False
    tables: tuple[TableWork, ...]
    models: tuple[GoldModel, ...] = ()
    refresh: dict[str, RefreshPlan] = {}

    @property
    def paths(self) -> LakePaths:
        return LakePaths(**self.lake)

    def to_json(self) -> str:
        return self.model_dump_json(indent=1, by_alias=True)
