"""A small shop: a source of four tables, and the configuration from tables to report."""

from __future__ import annotations

from pathlib import Path

from midnight.configuration.files import table_file_name

SOURCE = (
    "CREATE TABLE customer (id int PRIMARY KEY, name text)",
    "CREATE TABLE product (id int PRIMARY KEY, title text, price numeric(10,2))",
    "CREATE TABLE orders (id int PRIMARY KEY, customer int, day date)",
    "CREATE TABLE line (id int PRIMARY KEY, orders int, product int, pieces int)",
    "INSERT INTO customer VALUES (1, 'Ada'), (2, 'Bo')",
    "INSERT INTO product VALUES (1, 'pen', 1.5), (2, 'ink', 9)",
    "INSERT INTO orders VALUES (1, 1, '2024-01-01'), (2, 2, '2024-01-02')",
    "INSERT INTO line VALUES (1, 1, 1, 3), (2, 2, 2, 1)",
)
TABLES = {
    "customer": ({"id": "integer", "name": "text"}, ()),
    "product": ({"id": "integer", "title": "text", "price": "numeric(10,2)"}, ()),
    "orders": ({"id": "integer", "customer": "integer", "day": "date"}, ("customer",)),
    "line": ({"id": "integer", "orders": "integer", "product": "integer", "pieces": "integer"}, ("orders", "product")),
}
MODELS = {
    "dim_product": ("SELECT id, title, price FROM silver.product", "id INT;title STRING;price DECIMAL(10,2)"),
    "fact_order": (
        "SELECT o.id, o.day, c.name AS customer FROM silver.orders AS o "
        "INNER JOIN silver.customer AS c ON c.id = o.customer",
        "id INT;day DATE;customer STRING",
    ),
    "orders_per_day": (
        "SELECT f.day, CAST(count(*) AS BIGINT) AS orders FROM gold.fact_order AS f GROUP BY f.day",
        "day DATE;orders BIGINT",
    ),
}
VIEWS = {
    "products": "SELECT p.title AS product, p.price FROM gold.dim_product AS p",
    "days": "SELECT d.day, d.orders FROM gold.orders_per_day AS d",
    "busy_days": "SELECT d.day FROM reporting.days AS d WHERE d.orders > 1",
}
REPORT = """title: Shop
figures:
  - {title: Products, sql: SELECT count(*) FROM reporting.products}
  - {title: Busy days, sql: SELECT count(*) FROM reporting.busy_days}
"""


def write_shop(folder: Path, groups: dict[str, str] | None = None) -> Path:
    """Write the configuration folder.

    Args:
        folder: to create.
        groups: table -> load group; ``main`` for the others.
    """
    chosen = groups or {}
    for name in ("tables", "sql/gold", "sql/serving"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    names = ", ".join(f"{{name: {name}}}" for name in sorted({"main", *chosen.values()}))
    (folder / "pipeline.yml").write_text(f"source: {{name: shop}}\ngroups: [{names}]\n")
    (folder / "report.yml").write_text(REPORT)
    for name, (columns, references) in TABLES.items():
        lines = [
            f"schema: public\ntable: {name}\nsilver: {name}\nkey: [id]\ngroup: {chosen.get(name, 'main')}\ncolumns:"
        ]
        lines += [f"  - {{name: {column}, type: '{kind}'}}" for column, kind in columns.items()]
        checks = [
            f"  - {{rule: foreign_key, columns: [{other}], table: {other}, references: [id]}}" for other in references
        ]
        lines += ["checks:", *checks] if checks else []
        (folder / "tables" / table_file_name("public", name)).write_text("\n".join(lines) + "\n")
    for name, (sql, contract) in MODELS.items():
        (folder / "sql/gold" / f"{name}.sql").write_text(f"{sql}\n")
        pairs = [column.split(" ", 1) for column in contract.split(";")]
        lines = [f"  - {{name: {column}, type: '{kind}'}}" for column, kind in pairs]
        text = "\n".join(["description: d", f"key: [{pairs[0][0]}]", "columns:", *lines])
        (folder / "sql/gold" / f"{name}.yml").write_text(f"{text}\n")
    for name, sql in VIEWS.items():
        (folder / "sql/serving" / f"{name}.sql").write_text(f"CREATE OR ALTER VIEW reporting.{name} AS\n{sql}\n")
    return folder
