"""A configuration folder with the table ``order_line`` and gold models."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

_PIPELINE = "source: {name: s}\n"
TABLE = """schema: public
table: order_line
silver: order_line
key: [id]
columns:
  - {name: id, type: integer}
  - {name: qty, type: numeric}
  - {name: price, type: "numeric(10,2)"}
  - {name: placed, type: date}
  - {name: ratio, type: double precision}
  - {name: code, type: text}
  - {name: email, type: text, mask: pseudonym}
  - {name: old, type: integer, drop: true}
on_schema_change: freeze
"""


def write(folder: Path, models: Mapping[str, tuple[str, ...]], table: str = TABLE) -> Path:
    """Write a configuration with one table, and models as name -> (query, columns, further keys of the contract)."""
    (folder / "tables").mkdir(parents=True)
    (folder / "sql" / "gold").mkdir(parents=True)
    (folder / "pipeline.yml").write_text(_PIPELINE)
    (folder / "tables" / "public.order_line.yml").write_text(table)
    for name, (sql, columns, *more) in models.items():
        (folder / "sql" / "gold" / f"{name}.sql").write_text(sql)
        pairs = [column.strip().split(" ", 1) for column in columns.split(";")]
        lines = [f"  - {{name: {column}, type: '{kind}'}}" for column, kind in pairs]
        contract = ["description: d", f"key: [{pairs[0][0]}]", "columns:", *lines, *more]
        (folder / "sql" / "gold" / f"{name}.yml").write_text("\n".join(contract) + "\n")
    return folder
