"""Runs the plan of refreshing a model as the gold job does, and the full build to compare it with."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from random import Random
from typing import TYPE_CHECKING, Protocol

import duckdb
import sqlglot

from midnight.silver_to_gold.models import GoldModel
from midnight.silver_to_gold.refresh.plan import AFFECTED_KEYS, RefreshPlan, any_view, changed_view
from midnight.silver_to_gold.sql_references import view_name
from tests.support.random_models import TABLES, Row, random_changes, random_tables

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_DUCKDB_TYPES = {"int": "INTEGER", "bigint": "BIGINT", "string": "VARCHAR"}


class Engine(Protocol):
    """What runs the queries."""

    def table(self, name: str, view: str, rows: list[Row]) -> None:
        """Make a view with the columns of a table."""

    def create(self, view: str, sql: str) -> None:
        """Make a view of a query."""

    def query(self, sql: str) -> list[Row]:
        """The rows of a query."""


class DuckDB:
    """DuckDB, with the queries translated by sqlglot: hundreds of queries a second."""

    def __init__(self) -> None:
        self._connection = duckdb.connect(config={"threads": 1})

    def table(self, name: str, view: str, rows: list[Row]) -> None:
        columns = ", ".join(f"{column} {_DUCKDB_TYPES[kind]}" for column, kind in TABLES[name])
        self._connection.execute(f"CREATE OR REPLACE TABLE {view} ({columns})")
        if rows:
            shown = ", ".join(f"({', '.join('NULL' if v is None else repr(v) for v in row)})" for row in rows)
            self._connection.execute(f"INSERT INTO {view} VALUES {shown}")

    def create(self, view: str, sql: str) -> None:
        self._connection.execute(f"CREATE OR REPLACE TABLE {view} AS {self._translated(sql)}")

    def query(self, sql: str) -> list[Row]:
        return self._connection.execute(self._translated(sql)).fetchall()

    @staticmethod
    def _translated(sql: str) -> str:
        return sqlglot.transpile(sql, read="spark", write="duckdb")[0]


class Spark:
    """An engine of the project."""

    def __init__(self, session: SparkSession) -> None:
        self._session = session

    def table(self, name: str, view: str, rows: list[Row]) -> None:
        columns = ", ".join(f"{column} {kind}" for column, kind in TABLES[name])
        self._session.createDataFrame(rows, columns).createOrReplaceTempView(view)

    def create(self, view: str, sql: str) -> None:
        self._session.sql(sql).createOrReplaceTempView(view)

    def query(self, sql: str) -> list[Row]:
        return [tuple(row) for row in self._session.sql(sql).collect()]


class Refresh:
    """The inputs of a model before and after a change, and the refresh from one to the other."""

    def __init__(self, engine: Engine, old: Mapping[str, list[Row]], new: Mapping[str, list[Row]]) -> None:
        self._engine = engine
        self.changed = [name for name in TABLES if Counter(old[name]) != Counter(new[name])]
        for name in TABLES:
            before, after = Counter(old[name]) - Counter(new[name]), Counter(new[name]) - Counter(old[name])
            engine.table(name, f"old__{view_name(name)}", old[name])
            engine.table(name, view_name(name), new[name])
            engine.table(name, changed_view(name), [*before.elements(), *after.elements()])
            engine.table(name, any_view(name), [*new[name], *before.elements()])

    def full(self, model: GoldModel, *, old: bool = False) -> Counter[Row]:
        """The rows of a full build, in the types of the contract."""
        sql = re.sub(r"\b(silver|gold)__", r"old__\1__", model.sql) if old else model.sql
        return Counter(self._engine.query(_in_contract(model, sql)))

    def applies(self, plan: RefreshPlan) -> bool:
        """Whether the plan does not build the model whole after these changes."""
        return plan.kind == "key" and not any(name in plan.full_when_changed for name in self.changed)

    def refreshed(self, model: GoldModel, plan: RefreshPlan) -> Counter[Row]:
        """The rows after the refresh: the old ones without those of affected keys, and the restricted query's."""
        keys = self._affected(plan)
        names = [column.name for column in model.contract.columns]
        places = [names.index(name) for name in plan.key]
        kept = {row: n for row, n in self.full(model, old=True).items() if tuple(row[p] for p in places) not in keys}
        if not keys:
            return Counter(kept)
        for item in plan.driving:
            self._engine.create(item.view, item.sql)
        return Counter(kept) + Counter(self._engine.query(_in_contract(model, plan.restricted_sql)))

    def _affected(self, plan: RefreshPlan) -> set[Row]:
        parts = [plan.affected[name] for name in self.changed if name in plan.affected]
        if not parts:
            return set()
        union = "\nUNION ALL\n".join(parts)
        self._engine.create(AFFECTED_KEYS, f"SELECT DISTINCT * FROM (\n{union}\n) AS found")
        return set(self._engine.query(f"SELECT * FROM {AFFECTED_KEYS}"))


def differing_refreshes(engine: Engine, model: GoldModel, plan: RefreshPlan, seeds: range) -> tuple[list[str], int]:
    """Refresh a model after random changes, until a refresh differs from the full build.

    Returns:
        A description of the refresh that differs, if any, and the number of the changes after which the full build
        differs from the one before.
    """
    changing = 0
    for seed in seeds:
        random = Random(seed)  # noqa: S311 - a test
        old = random_tables(random)
        new = random_changes(random, old)
        refresh = Refresh(engine, old, new)
        if not refresh.applies(plan):
            continue
        expected = refresh.full(model)
        changing += expected != refresh.full(model, old=True)
        got = refresh.refreshed(model, plan)
        if got != expected:
            found = (
                f"seed {seed}: missing {expected - got}, surplus {got - expected}\nquery: {model.sql}\n"
                f"key: {plan.key}\naffected: {plan.affected}\nrestricted: {plan.restricted_sql}\n"
                f"changed: { {name: (old[name], new[name]) for name in refresh.changed} }"
            )
            return [found], changing
    return [], changing


def _in_contract(model: GoldModel, sql: str) -> str:
    columns = ", ".join(f"CAST({column.name} AS {column.type}) AS {column.name}" for column in model.contract.columns)
    return f"SELECT {columns} FROM (\n{sql}\n) AS model"
