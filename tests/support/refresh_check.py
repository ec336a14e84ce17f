"""Runs a plan of refreshing a model as the job does, on DuckDB, and compares the result with the full build."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import duckdb
import sqlglot

from midnight.silver_to_gold.models import GoldModel
from midnight.silver_to_gold.refresh.plan import AFFECTED_KEYS, RefreshPlan, any_view, changed_view
from midnight.silver_to_gold.sql_references import view_name
from tests.support.random_models import TABLES, Row

_TYPES = {"int": "INTEGER", "bigint": "BIGINT", "string": "VARCHAR"}


class DuckDBRefresh:
    """The two states of the inputs of a model, and a refresh from one to the other."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, old: Mapping[str, list[Row]], new: Mapping[str, list[Row]]
    ) -> None:
        self._connection = connection
        self.changed = [name for name in TABLES if Counter(old[name]) != Counter(new[name])]
        for name in TABLES:
            before, after = Counter(old[name]) - Counter(new[name]), Counter(new[name]) - Counter(old[name])
            self._table(name, f"old__{view_name(name)}", old[name])
            self._table(name, view_name(name), new[name])
            self._table(name, changed_view(name), [*before.elements(), *after.elements()])
            self._table(name, any_view(name), [*new[name], *before.elements()])

    def _table(self, name: str, view: str, rows: list[Row]) -> None:
        columns = ", ".join(f"{column} {_TYPES[kind]}" for column, kind in TABLES[name])
        shown = ", ".join(f"({', '.join('NULL' if v is None else repr(v) for v in row)})" for row in rows)
        self._connection.execute(
            f"CREATE OR REPLACE TABLE {view} ({columns}); " + (f"INSERT INTO {view} VALUES {shown}" if rows else "")
        )

    def query(self, sql: str) -> list[Row]:
        """The rows of a query in Spark SQL."""
        return self._connection.execute(sqlglot.transpile(sql, read="spark", write="duckdb")[0]).fetchall()

    def full(self, model: GoldModel, *, old: bool = False) -> Counter[Row]:
        """The rows of a full build, in the types of the contract."""
        return Counter(self.query(self._in_contract(model, _old(model.sql) if old else model.sql)))

    @staticmethod
    def _in_contract(model: GoldModel, sql: str) -> str:
        columns = ", ".join(
            f"CAST({column.name} AS {column.type}) AS {column.name}" for column in model.contract.columns
        )
        return f"SELECT {columns} FROM ({sql}) AS model"

    def affected(self, plan: RefreshPlan) -> set[Row]:
        """The affected keys, also as the view that the restricted query reads."""
        parts = [plan.affected[name] for name in self.changed if name in plan.affected]
        none = " UNION ALL ".join(f"({sql})" for sql in parts)
        if not parts:
            return set()
        text = sqlglot.transpile(f"SELECT DISTINCT * FROM ({none}) AS keys", read="spark", write="duckdb")[0]
        self._connection.execute(f"CREATE OR REPLACE TABLE {AFFECTED_KEYS} AS {text}")
        return set(self.query(f"SELECT * FROM {AFFECTED_KEYS}"))

    def refreshed(self, model: GoldModel, plan: RefreshPlan) -> Counter[Row]:
        """The rows after the refresh: the old ones without those of affected keys, and the restricted query's."""
        keys = self.affected(plan)
        names = [column.name for column in model.contract.columns]
        places = [names.index(name) for name in plan.key]
        kept = Counter(
            {
                row: n
                for row, n in self.full(model, old=True).items()
                if tuple(row[place] for place in places) not in keys
            }
        )
        if not keys:
            return kept
        for item in plan.driving:
            text = sqlglot.transpile(item.sql, read="spark", write="duckdb")[0]
            self._connection.execute(f"CREATE OR REPLACE TABLE {item.view} AS {text}")
        return kept + Counter(self.query(self._in_contract(model, plan.restricted_sql)))


def _old(sql: str) -> str:
    for name in TABLES:
        sql = sql.replace(f"{view_name(name)} AS", f"old__{view_name(name)} AS")
        sql = sql.replace(f"FROM {view_name(name)})", f"FROM old__{view_name(name)} AS {view_name(name)})")
        sql = sql.replace(f"FROM {view_name(name)} WHERE", f"FROM old__{view_name(name)} AS {view_name(name)} WHERE")
    return sql
