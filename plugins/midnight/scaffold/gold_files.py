"""The first gold model of a table: its silver columns with explicit types, as a starting point."""

from __future__ import annotations

from collections.abc import Mapping

from midnight.column_types import spark_type
from midnight.configuration.tables import Table
from midnight.configuration_check.json_schemas import modeline
from midnight.scaffold.yaml_text import comment, fields
from midnight.silver_to_gold.sql_references import parse_query
from midnight.sql_text import quote_backticked


def render_gold_query(table: Table) -> str:
    """Text of ``include/sql/gold/<silver>.sql``."""
    names = ",\n".join(f"    {quote_backticked(column.name)}" for column in table.silver_columns)
    return (
        f"-- All rows and columns of silver.{table.silver}. Written by `make init`; edit freely.\n"
        f"SELECT\n{names}\nFROM {_reference(table.silver)}\n"
    )


def _reference(silver: str) -> str:
    """``silver.orders``; a name that is a keyword of SQL is quoted."""
    plain = f"silver.{silver}"
    parsed = parse_query(f"SELECT 1 FROM {plain}")
    is_read = not parsed.problems and [reference for _, reference in parsed.references] == [plain]
    return plain if is_read else f"silver.{quote_backticked(silver)}"


def render_gold_contract(table: Table, longest: Mapping[str, int]) -> str:
    """Text of ``include/sql/gold/<silver>.yml``.

    Args:
        table: configuration of the silver table.
        longest: longest possible text in characters, by column name, if the source's type limits it.
    """
    lines = [modeline("gold_model", "sql/gold")]
    lines += comment(
        "Contract of the model: the result is cast to these types, and the base view has them. "
        "docs/configuration.md describes every field."
    )
    lines += fields([("description", table.description or f"Rows of {table.qualified_name}")])
    if not table.key:
        lines += comment("Without a key, duplicate rows are not detected.")
    lines += [*fields([("key", table.key)]), "columns:"]
    for column in table.silver_columns:
        kind = spark_type(column.cast or column.type, None if column.cast else column.bronze_type)
        lines += fields(
            [
                ("name", column.name),
                ("type", kind),
                ("max_length", longest.get(column.name) if kind == "STRING" else None),
                ("description", column.description or None),
            ],
            2,
            item=True,
        )
    return "\n".join(lines) + "\n"
