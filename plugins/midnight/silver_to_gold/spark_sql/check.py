"""The check of gold models without an engine: names, types, and differences between Sail and Apache Spark."""

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
from midnight.sql_text import quote_backticked

_SELECT = "SELECT "


@dataclass(frozen=True)
class GoldSqlReport:
    """The result of the check.

    Args:
        problems: of all models and tables, with file and line.
        warnings: operations that a contract allows without proof.
        models: as they run on the engine: with corrections on Sail, otherwise unchanged.
        tables: likewise, since the expression checks of tables run on the engine as well.
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
        engine: on ``sail``, operations that are not proved equal are problems; on the others only names and contracts
            are checked.
        folder: the configuration folder, to find the lines of problems in contracts.
        table_documents: ``Configuration.documents``, for the lines of table files.
        partial: whether tables or models are missing because their files have problems; references to them are ignored.

    Returns:
        Problems, warnings, and models and tables as the engine gets them. It does not raise.
    """
    check = _Check(tables, models, engine == "sail", folder, table_documents or {}, partial)
    built = tuple(check.model(model) for model in models)
    checked = tuple(check.table(table) for table in tables)
    return GoldSqlReport(tuple(check.problems), tuple(check.warnings), built, checked)


def _parsed(findings: Findings, on_sail: bool) -> Any:
    """The syntax tree; None for a form of a function that only sqlglot's own dialect parses."""
    from sqlglot.errors import SqlglotError

    try:
        return parse_statements(findings.text)[0]
    except SqlglotError as error:
        if on_sail:
            findings.problem(
                None, f"cannot be checked: {first_line(error)}; hint: rewrite it, or set MIDNIGHT_ENGINE=spark"
            )
        return None


def _with_casts(sql: str, model: GoldModel, casts: Mapping[str, str]) -> str:
    """Cast the columns for which the job's own cast to the contract's type would differ on Sail."""
    if not casts:
        return sql
    columns = [quote_backticked(column.name) for column in model.contract.columns]
    shown = [
        f"{casts[column.name].format(name)} AS {name}" if column.name in casts else name
        for column, name in zip(model.contract.columns, columns, strict=True)
    ]
    return f"SELECT {', '.join(shown)} FROM (\n{sql}\n) AS query"


@dataclass(frozen=True)
class _Place:
    """The place of an expression check: its file if known, and its index among the checks."""

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
        """Check a model, and return it as the engine gets it."""
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
        """Check the expression checks of a table, and return it as the engine gets it."""
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
        if not findings.edits:
            return check
        rewritten = findings.rewritten().removeprefix(_SELECT)
        return check.model_copy(update={"sql": rewritten, "written": check.written or check.sql})

    def _contract(self, model: GoldModel, outputs: Relation, rules: Rules) -> dict[str, str]:
        """Check that the columns and types of the query are those of the contract, or can be cast to them.

        Returns:
            Column -> form for Sail of its cast to the contract's type, where one is needed.
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
                f"{extra!r} are not among the columns of {model.name}.yml; hint: add them there, or remove them",
            ),
            (twice, f"{twice!r} are selected more than once; hint: give each column a name of its own"),
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
                message = f"{kind} of the query cannot be cast to {column.type}; hint: CAST it in {model.name}.sql"
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
