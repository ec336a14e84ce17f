"""What each run has compared, and the outcome: a Delta table with one row per step of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

from midnight.errors import ReconciliationError, first_line
from midnight.reconciliation.record import LinkRecord

Step = Literal["bronze_to_silver", "silver_to_gold", "gold_to_serving"]
RECORD_COLUMNS = {
    "batch_id": "string",
    "run_id": "string",
    "step": "string",
    "checked_at": "timestamp",
    "summary": "string",
    "records": "string",
}
_RECORDS = TypeAdapter(tuple[LinkRecord, ...])


class StepRecord(BaseModel):
    """What one step of a run has compared.

    Args:
        batch_id: of the run; ``run_id`` is Airflow's.
        step: id of the task.
        checked_at: when the step ended.
        summary: for people, one line.
        records: one per table and link.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    batch_id: str
    run_id: str
    step: Step
    checked_at: datetime
    summary: str
    records: tuple[LinkRecord, ...]

    def as_row(self) -> dict[str, Any]:
        """The row of the table."""
        values = self.model_dump(exclude={"records"})
        return values | {"records": _RECORDS.dump_json(self.records).decode()}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> StepRecord:
        return cls.model_validate(dict(row) | {"records": _RECORDS.validate_json(str(row["records"]))})


def make_step_record(batch_id: str, run_id: str, step: Step, records: Sequence[LinkRecord], summary: str) -> StepRecord:
    """The record of a step at this moment; for the arguments see ``StepRecord``."""
    return StepRecord(
        batch_id=batch_id,
        run_id=run_id,
        step=step,
        checked_at=datetime.now(UTC),
        summary=summary,
        records=tuple(records),
    )


def describe_last_run(records: Sequence[StepRecord]) -> list[str]:
    """The summaries of the newest record of each step, of the newest batch: for `midnight status`.

    Args:
        records: from ``read_step_records``.
    """
    newest = max((record.batch_id for record in records), default="")
    steps = {record.step: record.summary for record in records if record.batch_id == newest}
    return [summary for summary in steps.values() if summary]


def read_step_records(
    path: str, storage_options: Mapping[str, str] | None = None, batch_id: str | None = None
) -> list[StepRecord]:
    """The records of all runs, or of one batch, oldest first; empty before the first one.

    Args:
        path: ``LakePaths.reconciliation``.
        storage_options: ``LakeFiles.storage_options``.
        batch_id: only of this batch.

    Raises:
        ReconciliationError: they cannot be read.
    """
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError, TableNotFoundError

    filters = None if batch_id is None else [("batch_id", "=", batch_id)]
    try:
        table = DeltaTable(path, storage_options=dict(storage_options or {}))
        rows = table.to_pyarrow_table(filters=filters).to_pylist()
    except TableNotFoundError:
        return []
    except (DeltaError, OSError) as error:
        raise ReconciliationError(f"{path} cannot be read: {first_line(error)}; hint: delete this folder") from error
    return sorted((StepRecord.from_row(row) for row in rows), key=lambda record: record.checked_at)


def append_step_record(path: str, record: StepRecord, storage_options: Mapping[str, str] | None = None) -> None:
    """Append a record by delta-rs, which creates the table.

    Raises:
        ReconciliationError: it cannot be written.
    """
    import pyarrow as pa
    from deltalake import write_deltalake
    from deltalake.exceptions import DeltaError

    kinds = {"string": pa.string(), "timestamp": pa.timestamp("us", "UTC")}
    schema = pa.schema([(name, kinds[kind]) for name, kind in RECORD_COLUMNS.items()])
    row = pa.Table.from_pylist([record.as_row()], schema)
    try:
        write_deltalake(path, row, mode="append", storage_options=dict(storage_options or {}))
    except (DeltaError, OSError, pa.ArrowException) as error:
        raise ReconciliationError(
            f"{path} cannot be written: {first_line(error)}; hint: check the free space and the permissions of the lake"
        ) from error
