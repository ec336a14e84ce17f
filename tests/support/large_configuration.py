"""A valid configuration with many tables, gold models and reporting views."""

from __future__ import annotations

from pathlib import Path

_TYPES = (
    "integer",
    "text",
    "numeric(10,2)",
    "timestamp with time zone",
    "date",
    "boolean",
    "bigint",
    "double precision",
)
_SPARK = ("INT", "STRING", "DECIMAL(10,2)", "TIMESTAMP", "DATE", "BOOLEAN", "BIGINT", "DOUBLE")
COLUMNS = 16


def write_large_configuration(folder: Path, *, tables: int, models: int, views: int) -> None:
    """Write ``pipeline.yml``, ``tables/``, ``sql/gold/`` and ``sql/serving/``.

    Args:
        folder: the configuration folder to create.
        tables: number of source tables, of 16 columns each.
        models: number of gold models; half of them read silver, half join two of these.
        views: number of reporting views; each joins and groups two models.
    """
    for name in ("tables", "sql/gold", "sql/serving"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "pipeline.yml").write_text("source:\n  name: large\n  connection: midnight_source\n")
    for number in range(tables):
        _write_table(folder / "tables", number)
    for number in range(models):
        _write_model(folder / "sql" / "gold", number, tables, models // 2)
    for number in range(views):
        _write_view(folder / "sql" / "serving", number, models // 2)


def _write_table(folder: Path, number: int) -> None:
    columns = "".join(
        f"  - name: c{column}\n    type: {_TYPES[column % len(_TYPES)]}\n    description: Column {column}\n"
        for column in range(COLUMNS)
    )
    checks = "checks:\n  - rule: not_null\n    columns: [c1]\n"
    if number:
        checks += f"  - rule: foreign_key\n    columns: [c0]\n    table: t{number - 1}\n    references: [c0]\n"
    text = f"schema: public\ntable: t{number}\nsilver: t{number}\nkey: [c0]\ncolumns:\n{columns}{checks}"
    (folder / f"public.t{number}.yml").write_text(text)


def _write_model(folder: Path, number: int, tables: int, first: int) -> None:
    listed = ",\n".join(f"    a.c{column}" for column in range(COLUMNS))
    if number < first:
        source = f"FROM silver.t{number % tables} AS a\nLEFT JOIN silver.t{(number + 1) % tables} AS b ON a.c0 = b.c0"
    else:
        one, two = number - first, (number - first + 1) % first
        source = f"FROM gold.m{one} AS a\nINNER JOIN gold.m{two} AS b ON a.c0 = b.c0"
    (folder / f"m{number}.sql").write_text(f"SELECT\n{listed},\n    COALESCE(b.c1, 'none') AS other\n{source}\n")
    columns = "".join(f"  - name: c{c}\n    type: {_SPARK[c % len(_SPARK)]}\n" for c in range(COLUMNS))
    text = f"description: Model {number}\nkey: [c0]\ncolumns:\n{columns}  - name: other\n    type: STRING\n"
    (folder / f"m{number}.yml").write_text(text)


def _write_view(folder: Path, number: int, models: int) -> None:
    (folder / f"v{number}.sql").write_text(
        f"CREATE OR ALTER VIEW reporting.v{number} AS\n"
        "SELECT\n    a.c4 AS day,\n    b.other,\n    SUM(a.c2) AS amount,\n    COUNT(*) AS pieces,\n"
        "    CAST(SUM(a.c7) / NULLIF(COUNT(*), 0) AS FLOAT) AS mean\n"
        f"FROM gold.m{number % models} AS a\nINNER JOIN gold.m{(number + 1) % models} AS b ON a.c0 = b.c0\n"
        "WHERE a.c6 > 10\nGROUP BY a.c4, b.other\n"
    )
