"""A pipeline run of Data Factory in which only single tables could not be copied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from midnight.bronze.stopped_tables import StoppedTable, with_referencing_tables
from midnight.configuration.tables import Table
from midnight.data_factory.table_failures import stopped_by_failures

if TYPE_CHECKING:
    from airflow.sdk import Context

    from midnight_airflow.operators.data_factory import DataFactoryCopyOperator


def finish_copy(
    copy: DataFactoryCopyOperator, context: Context, event: dict[str, str], tables: Sequence[Table]
) -> tuple[StoppedTable, ...]:
    """Evaluate the end of a pipeline run.

    Args:
        copy: the operator that started the run.
        context: Airflow's.
        event: of the trigger.
        tables: of the load group.

    Returns:
        The tables that could not be copied since they changed, and those that reference them; all others are complete.

    Raises:
        DataFactoryRunError: anything else failed, or the run did not end.
    """
    from midnight_airflow.operators.pipeline_run_attempt import DataFactoryRunError

    try:
        copy.execute_complete(context, event)
    except DataFactoryRunError:
        own = (
            None
            if event["status"] == "timeout"
            else stopped_by_failures(copy.activities(context, event["run_id"]), tables)
        )
        if own is None:
            raise
        return with_referencing_tables(tables, own)
    finally:
        copy.run_id = event["run_id"]
    return ()
