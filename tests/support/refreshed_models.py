"""Two silver tables and models on them whose checks fail in some rows, refreshed by keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from midnight.silver_to_gold.models import GoldModel
from midnight.silver_to_gold.refresh.derive import derive_refresh
from midnight.silver_to_gold.refresh.plan import RefreshPlan
from midnight.silver_to_gold.spark_sql.relations import contract_relation
from midnight.silver_to_gold.spark_sql.scopes import Relation
from tests.support.gold_models import model

SCHEMAS = {
    "line": pa.schema([("id", pa.int32()), ("g", pa.int32()), ("v", pa.float64()), ("s", pa.string())]),
    "grp": pa.schema([("g", pa.int32()), ("name", pa.string())]),
}
KEYS = {"line": "id", "grp": "g"}
_RELATIONS = {
    "silver__line": Relation((("id", "int"), ("g", "int"), ("v", "double"), ("s", "string")), "silver.line"),
    "silver__grp": Relation((("g", "int"), ("name", "string")), "silver.grp"),
}
_CHECKS: list[dict[str, Any]] = [
    {"rule": "range", "column": "v", "max": 5},
    {"rule": "not_null", "columns": ["s"]},
    {"rule": "pattern", "column": "s", "regex": "[a-m].*"},
    {"rule": "unique", "columns": ["s"]},
    {"rule": "unique", "name": "unique_with_the_key", "columns": ["id", "s"]},
    {"rule": "foreign_key", "columns": ["g"], "table": "silver__grp", "references": ["g"]},
    {"rule": "expression", "name": "by_row", "sql": "v > g"},
    {"rule": "expression", "name": "on_tables", "sql": "(SELECT max(v) FROM gold__detail) < 9"},
]


def refreshed_models(limit: float | None = None) -> tuple[GoldModel, ...]:
    """A table by row, one by group that joins both tables, and one that aggregates the latter.

    Args:
        limit: the largest ``v`` of a row; a larger one stops the build.
    """
    strict = [] if limit is None else [{"rule": "range", "name": "limit", "column": "v", "max": limit}]
    checks = [check | {"on_failure": "warn"} for check in _CHECKS] + [c | {"on_failure": "fail"} for c in strict]
    return (
        model(
            "detail",
            "SELECT id, g, v, s FROM silver__line",
            "id INT, g INT, v DOUBLE, s STRING",
            ("id",),
            checks,
            silver__line="silver.line",
            silver__grp="silver.grp",
        ),
        model(
            "totals",
            "SELECT d.g, coalesce(x.name, '?') AS name, count(*) AS n, sum(d.v) AS total, count(DISTINCT d.s) AS texts "
            "FROM gold__detail AS d LEFT JOIN silver__grp AS x ON x.g = d.g GROUP BY d.g, coalesce(x.name, '?')",
            "g INT, name STRING, n BIGINT, total DOUBLE, texts BIGINT",
            ("g", "name"),
            gold__detail="gold.detail",
            silver__grp="silver.grp",
        ),
        model(
            "names",
            "SELECT name, sum(n) AS n FROM gold__totals GROUP BY name",
            "name STRING, n BIGINT",
            ("name",),
            gold__totals="gold.totals",
        ),
    )


def plans_of(models: Sequence[GoldModel]) -> dict[str, RefreshPlan]:
    """How ``refreshed_models`` are refreshed."""
    relations = _RELATIONS | {f"gold__{each.name}": contract_relation(each.name, each.contract) for each in models}
    return {each.name: derive_refresh(each, relations) for each in models}
