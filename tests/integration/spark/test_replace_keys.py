"""The statements that replace the rows of some keys in a lake in Azure."""

from __future__ import annotations

from unittest import mock

from spark_jobs.gold.replace_keys import replace_keys

SOURCE, TARGET = "abfss://gold@lake.dfs.core.windows.net/m/b1", "abfss://gold@lake.dfs.core.windows.net/m/b2"


def test_databricks_clones_the_earlier_table_and_rewrites_the_files_with_replaced_keys():
    calls = mock.Mock()
    done = replace_keys(calls.spark, SOURCE, TARGET, key=["a", "b"], keys=calls.keys, rows=calls.rows)
    assert (done.rows, done.text) == (None, "in a clone of the earlier table")
    assert calls.mock_calls == [
        mock.call.keys.createOrReplaceTempView("replaced__keys"),
        mock.call.spark.sql(f"CREATE TABLE delta.`{TARGET}` DEEP CLONE delta.`{SOURCE}`"),
        mock.call.spark.sql(
            f"MERGE INTO delta.`{TARGET}` AS t USING replaced__keys AS s ON t.`a` <=> s.`a` AND t.`b` <=> s.`b` "
            "WHEN MATCHED THEN DELETE"
        ),
        mock.call.rows.write.format("delta"),
        mock.call.rows.write.format().mode("append"),
        mock.call.rows.write.format().mode().save(TARGET),
    ]
