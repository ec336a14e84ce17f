"""One masking key per lake: pseudonyms of two keys, or pseudonyms and values, must not be mixed."""

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
    """Why a table must not be written with this key; empty if it may.

    Args:
        session: any engine.
        table: with its masked columns.
        key: None if no column is masked.
        lakes: the lake to write, then the lakes that are read together with it; each with ``Ledger.maskings``.
        replaced: silver names of the tables that this run replaces in the other lakes.
    """
    wanted = masking_state(table, key)
    paths, maskings = lakes[0]
    found = maskings.get(table.silver, set()) - {wanted}
    if found and load_table(session, paths.silver_table(table.silver)) is not None:
        before = " or ".join(describe_masking(state) for state in sorted(found))
        return (
            f"silver {table.silver!r} was written with {before}, this run would write it with "
            f"{describe_masking(wanted)}; hint: if this is intended, run midnight_rebuild for all tables, otherwise "
            "restore the key or the table file"
        )
    others = [] if not wanted else _tables_of_another_key(session, table, key_fingerprint(wanted), lakes, replaced)
    if others:
        return (
            f"the silver tables {others!r} were masked with another key than the current one "
            f"({key_fingerprint(wanted)}); hint: run midnight_rebuild for all tables (remove the folder of a table "
            "that is no longer configured first), or restore the old key"
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
