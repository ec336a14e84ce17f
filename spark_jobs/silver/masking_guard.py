"""Keeps one lake to one masking key: pseudonyms of two keys never meet, and neither do pseudonyms and values."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from midnight.configuration.tables import Table
from midnight.lake.paths import LakePaths
from midnight.masking import MaskingKey, describe_masking, key_fingerprint, masking_state
from spark_jobs.runtime.delta_tables import load_table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def other_masking(
    session: SparkSession,
    table: Table,
    key: MaskingKey | None,
    lakes: Sequence[tuple[LakePaths, Mapping[str, set[str]]]],
    replaced: Collection[str],
) -> str:
    """Why a table must not be written with this key; empty when it may.

    Args:
        session: any engine.
        table: with its masked columns.
        key: None where no column is masked.
        lakes: the lake that is written, then those that it is read together with; each with ``Ledger.maskings``.
        replaced: silver names of tables whose state in the other lakes will be replaced by this run.
    """
    wanted = masking_state(table, key)
    paths, maskings = lakes[0]
    found = maskings.get(table.silver, set()) - {wanted}
    if found and load_table(session, paths.silver_table(table.silver)) is not None:
        before = " or ".join(describe_masking(state) for state in sorted(found))
        return (
            f"silver {table.silver!r} was written with {before}, this run would write it with "
            f"{describe_masking(wanted)}; if that is meant, run midnight_rebuild for all tables, otherwise put the "
            "key or the table file back"
        )
    others = [] if not wanted else _tables_of_another_key(session, table, key_fingerprint(wanted), lakes, replaced)
    if others:
        return (
            f"the silver tables {others!r} were masked with another key than the present one "
            f"({key_fingerprint(wanted)}); run midnight_rebuild for all tables (after removing the folder of a table "
            "that is configured no more) or put the old key back"
        )
    return ""


def _tables_of_another_key(
    session: SparkSession,
    table: Table,
    fingerprint: str,
    lakes: Sequence[tuple[LakePaths, Mapping[str, set[str]]]],
    replaced: Collection[str],
) -> list[str]:
    return [
        name
        for number, (paths, maskings) in enumerate(lakes)
        for name, states in sorted(maskings.items())
        if name != table.silver
        and not (number and name in replaced)
        and any(state and key_fingerprint(state) != fingerprint for state in states)
        and load_table(session, paths.silver_table(name)) is not None
    ]
