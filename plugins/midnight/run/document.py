"""The input of the Spark jobs of one run: one JSON document in the lake, so that a job's arguments stay small.

It holds everything that a job needs besides the data (table configuration, sealed manifests, gold models), so that the
same document on another day or engine gives the same tables.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from midnight.bronze.manifest import Manifest
from midnight.bronze.stopped_tables import StoppedTable
from midnight.configuration.tables import Table
from midnight.lake.files import LakeFiles
from midnight.lake.paths import LakePaths
from midnight.reconciliation.source_figures import SourceFigures
from midnight.silver_to_gold.models import GoldModel
from midnight.silver_to_gold.refresh.plan import RefreshPlan


class TableWork(BaseModel):
    """One table and the batches to apply, oldest first: the last full snapshot and its increments; in a rebuild all.

    ``unchanged_at``: when a later run found that the source still has the rows of the newest batch; None if none did.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    table: Table
    batches: tuple[Manifest, ...]
    unchanged_at: datetime | None = None


class Release(BaseModel):
    """A person's decision to publish although checks failed.

    Args:
        releasable: what no longer stops the run, as ``midnight.run.release`` names it.
        reason: the person's words.
        by: the name of the person in Airflow.
        at: when.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    releasable: tuple[str, ...]
    reason: str
    by: str
    at: datetime


class RunDocument(BaseModel):
    """The plan of one run.

    Args:
        batch_id: the run's batch.
        run_id: Airflow's run id.
        lake: roots of the layers.
        rebuild: silver is rebuilt from ``batches`` in order; otherwise they are merged into it.
        tables: in no particular order; the job orders them by their foreign keys.
        models: gold models, each after the models that it references.
        figures: what the source computed for the rules of the models, in the snapshot of the newest batches.
        reconcile_every: each run reads one table of silver of this many completely; 1: only what is written.
        run_number: how many runs were planned before; chooses the tables that are read completely.
        refresh: model -> how it is refreshed; a model without a plan is built whole whenever an input changed.
        stopped: tables that this run does not load; they are not in ``tables``, and models that depend on them keep
            their last table.
        releases: what persons have released; the checks that they name only warn in ``tables`` and ``models``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    batch_id: str
    run_id: str
    lake: dict[str, str]
    rebuild: bool = False
    tables: tuple[TableWork, ...]
    models: tuple[GoldModel, ...] = ()
    refresh: dict[str, RefreshPlan] = {}
    stopped: tuple[StoppedTable, ...] = ()
    figures: tuple[SourceFigures, ...] = ()
    reconcile_every: int = 1
    releases: tuple[Release, ...] = ()
    run_number: int = 0

    @property
    def paths(self) -> LakePaths:
        return LakePaths(**self.lake)

    def to_json(self) -> str:
        return self.model_dump_json(indent=1, by_alias=True)


def read_run_document(lake: LakeFiles, paths: LakePaths, batch_id: str) -> RunDocument | None:
    """The document of a run; None for a run without a plan.

    Raises:
        LakeError: it cannot be read.
    """
    text = lake.read_text(paths.run_document(batch_id))
    return None if text is None else RunDocument.model_validate_json(text)
