"""What really breaks when a source column is dropped: the product's own checks, run over the changed configuration."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import sqlglot
import yaml
from sqlglot import exp

from midnight.configuration.files import read_configuration, table_file_name
from midnight.configuration.tables import Table
from midnight.configuration_check.report_queries import report_problems
from midnight.gold_to_serving.base_views import base_views_of_contracts, tsql_columns
from midnight.gold_to_serving.local_views import LocalView, bind_views
from midnight.gold_to_serving.publish_duckdb import empty_database
from midnight.gold_to_serving.reporting_views import ReportingView
from midnight.gold_to_serving.tsql.parse_query import parse_view
from midnight.gold_to_serving.tsql.problems import RefusedError
from midnight.gold_to_serving.tsql.translate import Translation, translate_view
from midnight.lineage.graph import Graph, Node
from midnight.powerbi.model.definition import PowerBiDefinition, read_definition
from midnight.powerbi.model.definition_problems import definition_problems
from midnight.powerbi.model.views import describe_views
from midnight.silver_to_gold.load_contracts import load_gold_contracts
from midnight.silver_to_gold.models import GoldModelContract
from midnight.silver_to_gold.spark_sql.check import check_gold_sql
from midnight.silver_to_gold.spark_sql.dialect import parse_statements, raw_spark_dialect
from midnight.silver_to_gold.spark_sql.findings import Findings
from midnight.silver_to_gold.spark_sql.lookups import Rules
from midnight.silver_to_gold.spark_sql.proof import proved_list
from midnight.silver_to_gold.spark_sql.queries import Queries
from midnight.silver_to_gold.spark_sql.relations import views as relations_of
from midnight.silver_to_gold.spark_sql.scopes import Relation, Scope
from tests.support.surviving_columns import Remainder, remainder

# Layer, object and column of what broke; the column is "" for a query whose text must change.
Broken = set[tuple[str, str, str]]


@dataclass
class Truth:
    """Runs the checks of one configuration.

    Args:
        folder: the configuration folder.
        work: an empty folder for changed copies.
    """

    folder: Path
    work: Path
    cache: dict[Any, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shutil.copytree(self.folder / "tables", self.work / "tables")
        for name in ("pipeline.yml", "report.yml"):
            if (self.folder / name).exists():
                shutil.copy(self.folder / name, self.work / name)
        configuration = read_configuration(self.work)
        assert not configuration.problems
        self.tables = configuration.tables
        self.contracts = load_gold_contracts(self.folder)
        texts = {p.stem: p.read_text() for p in sorted((self.folder / "sql" / "gold").glob("*.sql"))}
        self.models = {name: parse_statements(_as_views(text))[0] for name, text in texts.items()}
        self.serving = {
            p.stem: sqlglot.parse_one(p.read_text(), read="tsql")
            for p in sorted((self.folder / "sql" / "serving").glob("*.sql"))
        }
        self.definition: PowerBiDefinition | None = None
        if (self.folder / "powerbi" / "model.yml").exists():
            self.definition = read_definition(self.folder)[1]

    @property
    def columns(self) -> list[tuple[Table, str]]:
        """Every source column."""
        return [(table, column.source_name) for table in self.tables for column in table.columns]

    def drop(self, table: Table, column: str) -> Broken:
        """What breaks when the source no longer has the column."""
        broken: Broken = set()
        tables, changed = self._tables_without(table, column, broken)
        contracts = self._models(tables, broken)
        views = self._views(contracts, broken)
        self._report(contracts, views, broken)
        self._power_bi(contracts, views, broken)
        if not changed:
            broken.add(("silver", f"silver.{table.silver}", "*"))
        return broken

    def _tables_without(self, table: Table, column: str, broken: Broken) -> tuple[list[Table], bool]:
        """The tables that are still valid; their checks are removed as the check of the files reports them."""
        files = {t.silver: self.work / "tables" / table_file_name(t.schema_name, t.table) for t in self.tables}
        original = {silver: path.read_text() for silver, path in files.items()}
        data = yaml.safe_load(original[table.silver])
        gone = next(c for c in data["columns"] if c.get("source", c["name"]) == column)
        if not gone.get("drop"):
            broken.add(("silver", f"silver.{table.silver}", gone["name"]))
        data["columns"] = [c for c in data["columns"] if c is not gone]
        files[table.silver].write_text(yaml.safe_dump(data, allow_unicode=True))
        try:
            while True:
                read = read_configuration(self.work)
                problems = list(read.problems)
                if not problems:
                    report = check_gold_sql((), read.tables, "databricks", self.work,
                                            {t.silver: d for d, t in read.documents})  # fmt: skip
                    problems = [p for p in report.problems if p.field.startswith("checks")]
                if not problems:
                    return list(read.tables), True
                lost = [p for p in problems if not re.match(r"checks[.\[]", p.field)]
                if lost:
                    broken |= {("silver", f"silver.{table.silver}", c.name) for c in table.silver_columns}
                    broken |= {("check", f"silver.{table.silver}", c.label) for c in table.checks}
                    broken |= {
                        ("check", f"silver.{t.silver}", c.label)
                        for t in self.tables for c in t.checks if getattr(c, "table", "") == table.silver
                    }  # fmt: skip
                    return [t for t in self.tables if t is not table], False
                for problem in problems:
                    path = self.work / problem.where
                    of = next(t for t in self.tables if files[t.silver] == path)
                    number = int(re.findall(r"\d+", problem.field)[0])
                    content = yaml.safe_load(path.read_text())
                    labels = [c.label for c in of.checks]
                    kept = content["checks"]
                    position = number
                    # Earlier checks may be gone already: the label identifies this one.
                    remaining = self.cache.setdefault(("labels", id(original), path), list(labels))
                    broken.add(("check", f"silver.{of.silver}", remaining[position]))
                    del kept[position], remaining[position]
                    path.write_text(yaml.safe_dump(content, allow_unicode=True))
                    break
        finally:
            self.cache = {k: v for k, v in self.cache.items() if k[0] != "labels"}
            for silver, path in files.items():
                path.write_text(original[silver])

    def _models(self, tables: list[Table], broken: Broken) -> dict[str, GoldModelContract]:
        contracts: dict[str, GoldModelContract] = {}
        known = relations_of(tables, {})
        left = dict(self.models)
        while left:
            reads = {n: {t.name for t in q.find_all(exp.Table)} for n, q in left.items()}
            name = next(n for n in left if not any(f"gold__{other}" in reads[n] for other in left if other != n))
            query = left.pop(name)
            rest = self._remainder(
                name, query, {n: r for n, r in known.items() if n in {x.casefold() for x in reads[name]}}
            )
            contract = self.contracts[name]
            kept = tuple(c for c in contract.columns if c.name.casefold() in {c.casefold() for c in rest.columns})
            if rest.changed:
                broken.add(("gold", f"gold.{name}", ""))
            for lost in (c for c in contract.columns if c not in kept):
                broken |= {("gold", f"gold.{name}", lost.name), ("base view", f"gold.{name}", lost.name)}
                broken.add(("gold", f"gold.{name}", ""))
            if kept and rest.query is not None:
                contracts[name] = contract.model_copy(update={"columns": kept})
                known |= relations_of((), {name: contracts[name]})
        return contracts

    def _remainder(self, name: str, query: exp.Expr, known: dict[str, Relation]) -> Remainder:
        key = (name, tuple((n, r.columns) for n, r in sorted(known.items())))
        if key not in self.cache:
            self.cache[key] = remainder(query, lambda q: _bind_model(q, known))
        return self.cache[key]

    def _views(self, contracts: dict[str, GoldModelContract], broken: Broken) -> dict[str, Translation]:
        schema: dict[str, Any] = {f"gold.{v.name}": tsql_columns(v) for v in base_views_of_contracts(contracts)}
        found: dict[str, Translation] = {}
        self._texts: dict[str, str] = {}
        left = dict(self.serving)
        while left:
            reads = {n: {f"{t.db}.{t.name}" for t in q.find_all(exp.Table)} for n, q in left.items()}
            name = next(n for n in left if not any(f"reporting.{o}" in reads[n] for o in left if o != n))
            view = left.pop(name)
            inputs = {n: c for n, c in schema.items() if n in reads[name]}
            key = (name, tuple((n, tuple(c)) for n, c in sorted(inputs.items())))
            if key not in self.cache:
                self.cache[key] = remainder(view.expression, partial(_bind_view, name, inputs))
            rest = self.cache[key]
            if rest.changed:
                broken.add(("reporting view", f"reporting.{name}", ""))
            original = self._original_columns(name)
            for lost in (c for c in original if c not in rest.columns):
                broken |= {("reporting view", f"reporting.{name}", lost), ("reporting view", f"reporting.{name}", "")}
            if rest.query is not None and rest.columns:
                text = _view_text(name, rest.query)
                found[name] = translate_view(parse_view(text), inputs)
                self._texts[name] = text
                schema[f"reporting.{name}"] = {c.name: c.type for c in found[name].columns}
        return found

    def _original_columns(self, name: str) -> list[str]:
        if not hasattr(self, "_outputs"):
            self._outputs: dict[str, list[str]] = {}
            everything: Broken = set()
            views = self._all_views(everything)
            self._outputs = {n: [c.name for c in t.columns] for n, t in views.items()}
        return self._outputs.get(name, [])

    def _all_views(self, broken: Broken) -> dict[str, Translation]:
        self._outputs = {}
        return self._views(self.contracts, broken)

    def _report(self, contracts: dict[str, GoldModelContract], views: dict[str, Translation], broken: Broken) -> None:
        with empty_database() as connection:
            local = [LocalView(n, str(t.duckdb), t.constants) for n, t in views.items()]
            assert list(bind_views(connection, base_views_of_contracts(contracts), local)) == []
            _, problems = report_problems(self.work, connection, frozenset(), ())
        if not problems:
            return
        report = yaml.safe_load((self.work / "report.yml").read_text())
        for problem in problems:
            if problem.field == "headline":
                broken.add(("report", "headline", report["title"]))
                continue
            kind, number = re.findall(r"^(figures|charts)[.\[](\d+)", problem.field)[0]
            broken.add(("report", kind.removesuffix("s"), report[kind][int(number)]["title"]))

    def _power_bi(self, contracts: dict[str, GoldModelContract], views: dict[str, Translation], broken: Broken) -> None:
        if self.definition is None:
            return
        shown = describe_views(self.folder, contracts, [self._reporting(n, t) for n, t in views.items()])
        definition = self.definition
        while True:
            problems = list(definition_problems(definition, shown))
            wrong: dict[str, set[Any]] = {"measures": set(), "tables": set(), "one_value": set()}
            for location, _ in problems:
                if location[0] == "pages" and location[2] == "drill_through":
                    broken.add(("Power BI visual", definition.pages[int(location[1])].title, "drill through"))
                elif location[0] == "pages":
                    page = definition.pages[int(location[1])]
                    broken.add(("Power BI visual", page.title, page.visuals[int(location[3])].title))
                elif location[0] == "measures":
                    wrong["measures"].add(location[1])
                elif location[2] == "view":  # of the columns of such a table the check says nothing
                    wrong["tables"].add(location[1])
                elif location[2] == "one_value":
                    wrong["one_value"].add(location[1])
            simple = [i for i, m in enumerate(definition.measures) if m.dax is None and not m.other_measures]
            wrong["measures"] |= {i for i in simple if definition.measures[i].table in wrong["one_value"]}
            lost = [definition.measures[i] for i in wrong["measures"]]
            broken |= {("Power BI measure", m.table, m.name) for m in lost}
            if not any(wrong.values()):
                return
            tables = {
                n: t.model_copy(update={"one_value": None}) if n in wrong["one_value"] else t
                for n, t in definition.tables.items()
                if n not in wrong["tables"]
            }
            kept = tuple(m for m in definition.measures if m not in lost)
            definition = definition.model_copy(update={"measures": kept, "tables": tables})

    def _reporting(self, name: str, found: Translation) -> ReportingView:
        types = {c.name: c.type for c in found.columns}
        return ReportingView(name, self._texts[name], found.duckdb, tuple(types), (), types)


def predicted(graph: Graph, table: Table, column: str) -> Broken:
    """What the lineage says, in the form of ``Truth.drop``."""
    found: Broken = set()
    for node in graph.reach([Node("source", table.qualified_name, column)], downstream=True):
        if node.layer in ("bronze", "Power BI table") or (node.layer == "check" and node.object.startswith("gold.")):
            continue
        if node.layer in ("gold", "reporting view"):
            found.add((node.layer, node.object, ""))
        if node.column and (node.column != "*" or node.layer == "silver"):
            found.add((node.layer, node.object, node.column))
    return found


def _as_views(text: str) -> str:
    return re.sub(r"\b(silver|gold)\.(\w+)", r"\1__\2", text)


def _bind_model(query: exp.Expr, known: dict[str, Relation]) -> list[str] | None:
    tables = {table.name.casefold() for table in query.find_all(exp.Table) if isinstance(table.this, exp.Identifier)}
    if tables - known.keys() - {cte.alias.casefold() for cte in query.find_all(exp.CTE)}:
        return None  # the check reports a missing table elsewhere
    text = query.sql(dialect=raw_spark_dialect(), comments=False)
    findings = Findings(text)
    queries = Queries(findings, Rules(proved_list(), False, frozenset(), False), known)
    columns = queries.columns(parse_statements(text)[0], Scope())
    return None if findings.problems or not columns.complete else [name for name, _ in columns.columns]


def _view_text(name: str, query: exp.Expr) -> str:
    return f"CREATE OR ALTER VIEW reporting.{name} AS {query.sql(dialect='tsql', comments=False)}"


def _bind_view(name: str, inputs: dict[str, Any], query: exp.Expr) -> list[str] | None:
    with contextlib.suppress(RefusedError):
        found = translate_view(parse_view(_view_text(name, query)), inputs)
        if not found.problems:
            return [column.name for column in found.columns]
    return None


def compare(truth: Truth, graph: Graph, columns: list[tuple[Table, str]]) -> Iterator[tuple[str, Broken, Broken]]:
    """Column, what broke without being predicted, and what was predicted without breaking."""
    for table, column in columns:
        real, said = truth.drop(table, column), predicted(graph, table, column)
        yield f"{table.qualified_name}.{column}", real - said, said - real
