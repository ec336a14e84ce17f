"""The configuration of the benchmark's lake: `orders`, the customers, and three typical gold models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.lake_jobs import SOURCE
from midnight.run.run_configuration import RunConfiguration, load_run_configuration
from midnight.settings import Settings

ORDER_COLUMNS = {
    "id": "bigint",
    "customer": "integer",
    "quantity": "smallint",
    "amount": "numeric(12,2)",
    "note": "text",
    "country": "character varying(3)",
    "created": "timestamp with time zone",
    "day": "date",
    "ratio": "double precision",
    "paid": "boolean",
}
CUSTOMER_COLUMNS = {"id": "integer", "name": "text", "segment": "text"}

# Model -> (query, contract). The queries mean the same to Spark and to DuckDB.
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "dim_customer": (
        "SELECT id AS customer_key, name AS customer_name, segment FROM silver.customers",
        {"key": ["customer_key"], "columns": {"customer_key": "INT", "customer_name": "STRING", "segment": "STRING"}},
    ),
    "fact_order": (
        "SELECT o.id AS order_key, year(o.day) * 10000 + month(o.day) * 100 + day(o.day) AS date_key, "
        "c.customer_key, c.segment, o.quantity, o.amount, o.note, o.country, o.created AS created_at, "
        "o.ratio, o.paid AS is_paid FROM silver.orders AS o LEFT JOIN gold.dim_customer AS c "
        "ON c.customer_key = o.customer",
        {
            "key": ["order_key"],
            "columns": {
                "order_key": "BIGINT",
                "date_key": "INT",
                "customer_key": "INT",
                "segment": "STRING",
                "quantity": "SMALLINT",
                "amount": "DECIMAL(12,2)",
                "note": "STRING",
                "country": "STRING",
                "created_at": "TIMESTAMP",
                "ratio": "DOUBLE",
                "is_paid": "BOOLEAN",
            },
            "checks": [
                {"rule": "not_null", "columns": ["date_key", "customer_key"], "on_failure": "fail"},
                {
                    "rule": "foreign_key",
                    "columns": ["customer_key"],
                    "table": "dim_customer",
                    "references": ["customer_key"],
                    "on_failure": "fail",
                },
            ],
        },
    ),
    "mart_daily": (
        "SELECT date_key, count(*) AS orders, sum(amount) AS amount, count_if(is_paid) AS paid_orders, "
        "max(amount) AS largest_amount, count(DISTINCT customer_key) AS customers FROM gold.fact_order "
        "GROUP BY date_key",
        {
            "key": ["date_key"],
            "columns": {
                "date_key": "INT",
                "orders": "BIGINT",
                "amount": "DECIMAL(22,2)",
                "paid_orders": "BIGINT",
                "largest_amount": "DECIMAL(12,2)",
                "customers": "BIGINT",
            },
        },
    ),
}


def write_configuration(folder: Path, mode: str, engine: str) -> RunConfiguration:
    """The configuration folder, as the product reads it.

    Args:
        folder: does not exist.
        mode: of the table `orders`.
        engine: whose dialect the queries get.
    """
    (folder / "tables").mkdir(parents=True)
    (folder / "sql" / "gold").mkdir(parents=True)
    orders: dict[str, Any] = {"mode": mode, "checks": [{"rule": "range", "column": "amount", "min": 0}]}
    if mode == "incremental":
        orders |= {"cursor": "created", "full_snapshot_interval_days": 0}
    files: dict[str, dict[str, Any]] = {
        "pipeline.yml": {"source": {"name": SOURCE}},
        "tables/public.orders.yml": _table("orders", ORDER_COLUMNS, orders),
        "tables/public.customers.yml": _table("customers", CUSTOMER_COLUMNS, {}),
    }
    for name, (sql, contract) in MODELS.items():
        (folder / "sql" / "gold" / f"{name}.sql").write_text(sql)
        columns = [{"name": column, "type": kind} for column, kind in contract["columns"].items()]
        files[f"sql/gold/{name}.yml"] = {"description": name, **contract, "columns": columns}
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))
    settings = Settings.model_validate({"config": folder, "home": folder.parent, "engine": engine})
    return load_run_configuration(settings, [])


def _table(name: str, columns: dict[str, str], more: dict[str, Any]) -> dict[str, Any]:
    listed = [{"name": column, "type": kind} for column, kind in columns.items()]
    return {"schema": "public", "table": name, "silver": name, "key": ["id"], "columns": listed, **more}
