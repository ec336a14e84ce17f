"""A configuration whose models and views have one form of query each."""

from __future__ import annotations

from pathlib import Path

TABLE = {"id": "integer", "a": "integer", "b": "integer", "c": "text", "d": "date", "e": "integer"}
_TYPES = {"integer": "INT", "text": "STRING", "date": "DATE"}
# The query, and its columns with their types.
MODELS = {
    "m_star": ("SELECT * FROM silver.one", "id INT;a INT;b INT;c STRING;d DATE;e INT"),
    "m_unused": ("WITH x AS (SELECT id, a, b + 1 AS n FROM silver.one) SELECT x.id, x.a FROM x", "id INT;a INT"),
    "m_nested": (
        "WITH x AS (SELECT id, a + b AS s, c FROM silver.one WHERE e > 0), "
        "y AS (SELECT id, s * 2 AS t, c FROM x) SELECT y.id, y.t, upper(y.c) AS u FROM y",
        "id INT;t INT;u STRING",
    ),
    "m_union": (
        "SELECT id, a AS v, c FROM silver.one UNION ALL SELECT id, b, c FROM silver.two",
        "id INT;v INT;c STRING",
    ),
    "m_group": (
        "SELECT d, CAST(count(*) AS INT) AS n, CAST(sum(a) AS INT) AS s, max(b) AS m FROM silver.one GROUP BY d "
        "HAVING max(e) > 0",
        "d DATE;n INT;s INT;m INT",
    ),
    "m_window": (
        "SELECT id, row_number() OVER (PARTITION BY c ORDER BY d) AS place, a FROM silver.one",
        "id INT;place INT;a INT",
    ),
    "m_latest": (
        "SELECT x.id, x.a FROM (SELECT id, a, row_number() OVER (PARTITION BY b ORDER BY d DESC) AS place "
        "FROM silver.one) AS x WHERE x.place = 1",
        "id INT;a INT",
    ),
    "m_case": (
        "SELECT id, CASE WHEN a > 1 THEN c ELSE 'none' END AS k, coalesce(b, e) AS f FROM silver.one",
        "id INT;k STRING;f INT",
    ),
    "m_join": (
        "SELECT o.id, o.a, t.c FROM silver.one AS o LEFT JOIN silver.two AS t ON o.b = t.id AND t.e > 0",
        "id INT;a INT;c STRING",
    ),
    "m_semi": (
        "SELECT id, a FROM silver.one WHERE b IN (SELECT t.id FROM silver.two AS t WHERE t.e = 1)",
        "id INT;a INT",
    ),
    "m_distinct": ("SELECT DISTINCT a, c FROM silver.one", "a INT;c STRING"),
    "m_next": (
        "SELECT g.d, g.n + 1 AS n, w.place FROM gold.m_group AS g CROSS JOIN gold.m_window AS w",
        "d DATE;n INT;place INT",
    ),
    "m_rows": ("SELECT CAST(count(*) AS INT) AS n FROM gold.m_nested", "n INT"),
}
VIEWS = {
    "v_nested": "WITH x AS (SELECT m.id, m.t + 1 AS t, m.u FROM gold.m_nested AS m) SELECT x.id, x.t FROM x",
    "v_union": "SELECT m.id, m.v FROM gold.m_union AS m UNION ALL SELECT c.id, c.f FROM gold.m_case AS c",
    "v_group": "SELECT s.c, COUNT(*) AS n, SUM(s.b) AS s FROM gold.m_star AS s WHERE s.e > 1 GROUP BY s.c",
    "v_next": "SELECT g.c, g.n FROM reporting.v_group AS g INNER JOIN gold.m_distinct AS d ON d.c = g.c",
}
REPORT = """title: Varied
figures:
  - {title: Rows, sql: SELECT count(*) FROM reporting.v_nested}
  - {title: Sum, sql: SELECT sum(s) FROM reporting.v_group}
charts:
  - title: Chart
    kind: bar
    x: c
    y: [n]
    sql: SELECT c, n, (SELECT max(a) FROM gold.m_join) AS a FROM reporting.v_next
"""


def write_varied_queries(folder: Path) -> Path:
    """Write the configuration folder, and return it."""
    for name in ("tables", "sql/gold", "sql/serving"):
        (folder / name).mkdir(parents=True)
    (folder / "pipeline.yml").write_text("source: {name: varied}\n")
    (folder / "report.yml").write_text(REPORT)
    columns = "".join(f"  - {{name: {name}, type: {kind}}}\n" for name, kind in TABLE.items())
    for name in ("one", "two"):
        text = f"schema: public\ntable: {name}\nsilver: {name}\nkey: [id]\norder_by: [d desc]\n"
        text += f"columns:\n{columns}checks:\n"
        text += "  - {rule: not_null, columns: [a]}\n  - {rule: expression, name: sum, sql: b + e > 0}\n"
        text += "  - {rule: foreign_key, columns: [e], table: two, references: [b]}\n" if name == "one" else ""
        (folder / f"tables/public.{name}.yml").write_text(text)
    for name, (sql, contract) in MODELS.items():
        (folder / f"sql/gold/{name}.sql").write_text(f"{sql}\n")
        pairs = [pair.split() for pair in contract.split(";")]
        listed = "".join(f"  - {{name: {column}, type: {kind}}}\n" for column, kind in pairs)
        (folder / f"sql/gold/{name}.yml").write_text(f"description: d\nkey: []\ncolumns:\n{listed}")
    for name, sql in VIEWS.items():
        (folder / f"sql/serving/{name}.sql").write_text(f"CREATE OR ALTER VIEW reporting.{name} AS\n{sql}\n")
    return folder
