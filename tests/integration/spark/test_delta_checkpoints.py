"""A Delta table after many runs: after its tenth commit it is read from a checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest

from spark_jobs.runtime.delta_tables import append_rows, load_table

COMMITS = 14


@pytest.mark.spark
def test_a_table_is_written_and_read_past_its_first_checkpoint(sail_session, spark_session, tmp_path):
    path = f"{tmp_path}/table"
    for number in range(COMMITS):  # the last ones by the other engine, from the checkpoint
        session = sail_session if number < COMMITS - 2 else spark_session
        append_rows(session.createDataFrame([(number,)], "number int"), path)

    assert list(Path(path).glob("_delta_log/*.checkpoint*.parquet"))
    for session in (sail_session, spark_session):
        assert list(range(COMMITS)) == sorted(row.number for row in load_table(session, path).collect())
