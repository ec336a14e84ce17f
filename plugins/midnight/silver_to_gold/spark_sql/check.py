"""The check of gold models that needs no engine: names, types, and what Sail does otherwise than Apache Spark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from midnight.configuration.checks import Check, Expression
from midnight.configuration.tables import Table
from midnight.configuration.yaml_document import Location, YamlDocument
from midnight.errors import ConfigurationProblem, first_line
from midnight.silver_to_gold.models import GoldModel, may_cast
from midnight.silver_to_gold.spark_sql.casts import cast_for_sail
from midnight.silver_to_gold.spark_sql.dialect import parse_statements
from midnight.silver_to_gold.spark_sql.findings import Findings
from midnight.silver_to_gold.spark_sql.lookups import Argument, Rules
from midnight.silver_to_gold.spark_sql.proof import proved_list
from midnight.silver_to_gold.spark_sql.queries import Queries
from midnight.silver_to_gold.spark_sql.relations import cleaned_relation, contract_relation, views
from midnight.silver_to_gold.spark_sql.scopes import Relation, Scope
from midnight.silver_to_gold.spark_sql.sources import UNKNOWN
from midnight.silver_to_gold.spark_sql.types import type_name

_SELECT = "SELECT "


@dataclass(frozen=True)
class GoldSqlReport:
    """What the check found.

    Args:
        problems: of all models and tables, with file and line.
        warnings: operations that a contract allows without proof.
        models: as they run on the engine: on Sail with its corrections, else as they were.
        tables: the same of the tables, whose expression checks run on the engine, too.
    """

    problems: tuple[ConfigurationProblem, ...]
    warnings: tuple[ConfigurationProblem, ...]
    models: tuple[GoldModel, ...]
    tables: tuple[Table, ...]


def check_gold_sql(
    models: Sequence[GoldModel],
    tables: Sequence[Table],
    engine: Literal["sail", "spark", "databricks"],
    folder: Path | None = None,
    table_documents: Mapping[str, YamlDocument] | None = None,
    *,
    partial: bool = False,
) -> GoldSqlReport:
    """Check every gold model and every expression check against the configured columns and the proved list.

    Args:
        models: from ``load_gold_models``, which has checked references and contracts.
        tables: the configured tables.
        engine: on ``sail``, what is not proved to answer as Apache Spark does is a problem; on the others only names
            and contracts are checked.
        folder: the configuration folder, from which the lines of contracts are read where something is wrong.
        table_documents: ``Configuration.documents``, for the lines of table files.
        partial: tables or models are missing, since their files have problems; nothing is said of what they hide.

    Returns:
        Problems, warnings, and models and tables as the engine gets them. Nothing is raised.
    """
    check = _Check(tables, models, engine == "sail", folder, table_documents or {}, partial)
    built = tuple(check.model(model) for model in models)
    checked = tuple(check.table(table) for table in tables)
    return GoldSqlReport(tuple(check.problems), tuple(check.warnings), built, checked)


def _parsed(findings: Findings, on_sail: bool) -> Any:
    """The syntax tree; None for a form of a function that only sqlglot's own dialect reads."""
    from sqlglot.errors import SqlglotError

    try:
        return parse_statements(findings.text)[0]
    except SqlglotError as error:
        if on_sail:
            findings.problem(
                None, f"cannot be checked: {first_line(error)}; hint: write it otherwise, or set MIDNIGHT_ENGINE=spark"
            )
        return None


def _with_casts(sql: str, model: GoldModel, casts: Mapping[str, str]) -> str:
    """The query with those columns cast to the contract's types that the job's own cast would get wrong on Sail."""
    if not casts:
        return sql
    columns = [f"`{column.name}`" for column in model.contract.columns]  # safe names
    shown = [
        f"{casts[column.name].format(name)} AS {name}" if column.name in casts else name
        for column, name in zip(model.contract.columns, columns, strict=True)
    ]
    return f"SELECT {', '.join(shown)} FROM (\n{sql}\n) AS query"


@dataclass(frozen=True)
class _Place:
    """Where an expression check is written: its file if that was read, and its number among the checks."""

    document: YamlDocument | None
    index: int
    where: str

    def problem(self, label: str, message: str) -> ConfigurationProblem:
        if self.document is None:
            return ConfigurationProblem(self.where, None, f"checks.{label}", message)
        return self.document.problem(["checks", self.index], message)


@dataclass
class _Check:
    tables: Sequence[Table]
    models: Sequence[GoldModel]
    on_sail: bool
    folder: Path | None
    table_documents: Mapping[str, YamlDocument]
    partial: bool
    problems: list[ConfigurationProblem] = field(default_factory=list)
    warnings: list[ConfigurationProblem] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._views = views(self.tables, {model.name: model.contract for model in self.models})
        self._documents: dict[str, YamlDocument] = {}

    def model(self, model: GoldModel) -> GoldModel:
        """The model as the engine gets it."""
        allowed = frozenset(name.lower() for name in model.contract.unproved_functions)
        rules = Rules(proved_list(), self.on_sail, allowed, self.partial)
        findings = Findings(model.sql)
        tree = _parsed(findings, self.on_sail)
        queries = Queries(findings, rules, self._views)
        outputs = UNKNOWN if tree is None else queries.columns(tree, Scope())
        self._take(findings, f"sql/gold/{model.name}.sql")
        casts = self._contract(model, outputs, rules) if outputs.complete else {}
        own = contract_relation(model.name, model.contract)
        checks = [
            self._expression(check, own, rules, _Place(self._contract_document(model.name), index, own.source))
            for index, check in enumerate(model.contract.checks)
        ]
        warnings = tuple(f"line {line}: {message}" for line, message in findings.warnings)
        model = model.model_copy(update={"arithmetic": tuple(dict.fromkeys(findings.arithmetic)), "warnings": warnings})
        if not self.on_sail:
            return model
        contract = model.contract.model_copy(update={"checks": tuple(checks)})
        return model.model_copy(update={"sql": _with_casts(findings.rewritten(), model, casts), "contract": contract})

    def table(self, table: Table) -> Table:
        """The table with its expression checks as the engine gets them."""
        rules = Rules(proved_list(), self.on_sail, partial=self.partial)
        own, document = cleaned_relation(table), self.table_documents.get(table.silver)
        checks = tuple(
            self._expression(check, own, rules, _Place(document, index, table.qualified_name))
            for index, check in enumerate(table.checks)
        )
        return table.model_copy(update={"checks": checks}) if checks != table.checks else table

    def _expression(self, check: Check, own: Relation, rules: Rules, place: _Place) -> Check:
        if not isinstance(check, Expression):
            return check
        findings = Findings(f"{_SELECT}{check.sql}")
        queries = Queries(findings, rules, self._views)
        scope = Scope({own.source.casefold(): own})
        tree = _parsed(findings, self.on_sail)
        kind = None if tree is None else queries.expressions.type_of(tree.expressions[0], scope)
        if kind not in (None, "boolean", "void"):
            findings.problem(None, f"{check.sql!r} is {kind}, not true or false; hint: compare it")
        self.problems += [place.problem(check.label, message) for _, message in findings.problems]
        self.warnings += [place.problem(check.label, message) for _, message in findings.warnings]
        return check.model_copy(update={"sql": findings.rewritten().removeprefix(_SELECT)}) if findings.edits else check

    def _contract(self, model: GoldModel, outputs: Relation, rules: Rules) -> dict[str, str]:
        """The columns and types of the query are those of the contract, or can become them.

        Returns:
            Column -> form for Sail of its cast to the contract's type, for those whose cast needs one.
        """
        casts = {}
        names = [name for name, _ in outputs.columns]
        folded = [name.casefold() for name in names]
        expected = {column.name.casefold() for column in model.contract.columns}
        extra = [name for name in names if name.casefold() not in expected]
        twice = sorted({name for name in names if folded.count(name.casefold()) > 1})
        for found, message in (
            (
                extra,
                f"{extra!r} are not among the columns of {model.name}.yml; hint: add them there, or leave them out",
            ),
            (twice, f"{twice!r} are there more than once; hint: give each column a name of its own"),
        ):
            if found:
                self.problems.append(ConfigurationProblem(f"sql/gold/{model.name}.sql", None, "", message))
        for index, column in enumerate(model.contract.columns):
            place: Location = ["columns", index]
            known, kind = outputs.type_of(column.name)
            if not known:
                message = f"{column.name!r} is not a column of the query ({names!r}); hint: add it to {model.name}.sql"
                self._contract_problem(model.name, place, message)
                continue
            target = type_name(column.type)
            if kind is None or kind == target:
                continue
            if not may_cast(kind, target):
                message = f"{kind} of the query cannot become {column.type}; hint: CAST it in {model.name}.sql"
                self._contract_problem(model.name, [*place, "type"], message)
                continue
            findings = Findings("")
            Queries(findings, rules, {}).expressions.operation(
                None, f"cast to {target.partition('(')[0]}", [Argument(kind)]
            )
            template = cast_for_sail("cast", kind, target)
            if template is not None:
                casts[column.name] = template
            for _, found_message in findings.problems:
                message = f"{kind} of the query as {column.type}: {found_message}"
                self._contract_problem(model.name, [*place, "type"], message)

        return casts

    def _contract_problem(self, name: str, location: Location, message: str) -> None:
        document = self._contract_document(name)
        where = ".".join(map(str, location))
        self.problems.append(
            ConfigurationProblem(f"sql/gold/{name}.yml", None, where, message)
            if document is None
            else document.problem(location, message)
        )

    def _contract_document(self, name: str) -> YamlDocument | None:
        if self.folder is None:
            return None
        if name not in self._documents:
            self._documents[name] = YamlDocument(self.folder / "sql" / "gold" / f"{name}.yml", self.folder)
        return self._documents[name]

    def _take(self, findings: Findings, where: str) -> None:
        self.problems += [ConfigurationProblem(where, line, "", message) for line, message in findings.problems]
        self.warnings += [ConfigurationProblem(where, line, "", message) for line, message in findings.warnings]
