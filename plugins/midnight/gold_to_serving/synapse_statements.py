"""The T-SQL statements that publish, probe and restore the views of Synapse serverless."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from midnight.gold_to_serving.base_views import (
    BASE_SCHEMA,
    BaseView,
    synapse_base_view,
    synapse_rowset,
)
from midnight.gold_to_serving.reporting_views import REPORTING_SCHEMA, ReportingView
from midnight.gold_to_serving.run_views import RUN_SCHEMA, RUN_VIEWS, synapse_run_view
from midnight.silver_to_gold.builds import GoldBuild
from midnight.sql_text import quote_bracketed, text_literal

SCHEMAS = (BASE_SCHEMA, REPORTING_SCHEMA, RUN_SCHEMA)
# What the workspace has processed today (UTC), in MB; the limits of `sp_set_data_processed_limit` count the same.
DATA_PROCESSED = "SELECT data_processed_mb FROM sys.dm_external_data_processed WHERE type = 'daily'"

EXISTING_VIEWS = (
    "SELECT s.name, v.name, m.[definition] FROM sys.views AS v "
    "INNER JOIN sys.schemas AS s ON v.schema_id = s.schema_id "
    "INNER JOIN sys.sql_modules AS m ON m.object_id = v.object_id "
    f"WHERE s.name IN ({', '.join(text_literal(schema) for schema in SCHEMAS)}) ORDER BY s.name, v.name"
)
_HEAD = re.compile(r"^((?:\s|--[^\n]*\n|/\*.*?\*/)*)CREATE\s+(?:OR\s+ALTER\s+)?VIEW\b", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class ExistingView:
    """A view of an earlier publication, one row of ``EXISTING_VIEWS``."""

    schema: str
    name: str
    definition: str


def file_probe(view: BaseView, path: str) -> str:
    """A query that reads one row of a Delta table, with the names and types of its new view."""
    return f"SELECT TOP (1) 1 AS [readable]\n{synapse_rowset(view, path)}"


def view_probe(schema: str, name: str) -> str:
    """A query that reads one row of a view."""
    return f"SELECT TOP (1) 1 AS [readable] FROM {quote_bracketed(schema)}.{quote_bracketed(name)}"


def is_same_view(view: ExistingView, statement: str) -> bool:
    """Whether an existing view has the definition that a statement would give it."""
    return _HEAD.sub("", view.definition, count=1).strip() == _HEAD.sub("", statement, count=1).strip()


def publication_statements(
    build: GoldBuild,
    base_views: Sequence[BaseView],
    reporting_views: Sequence[ReportingView],
    existing: Iterable[ExistingView] = (),
) -> list[str]:
    """Return the statements, in order, that make the views show this build. None reads data.

    The schemas gold, reporting and midnight belong to Midnight: views in them whose definition was removed are dropped.
    The statements are idempotent.

    Args:
        build: the build of gold.
        base_views: of that build.
        reporting_views: each after those that it reads.
        existing: of earlier publications.
    """
    statements = [
        f"IF SCHEMA_ID({text_literal(s)}) IS NULL EXEC({text_literal(f'CREATE SCHEMA {quote_bracketed(s)}')})"
        for s in SCHEMAS
    ]
    statements += [synapse_base_view(view, build.models[view.name].path) for view in base_views]
    statements += [view.tsql for view in reporting_views]
    statements += [synapse_run_view(view) for view in RUN_VIEWS]
    return statements + _drops(
        {(view.schema, view.name) for view in existing} - set(_names(base_views, reporting_views))
    )


def rollback_statements(
    existing: Sequence[ExistingView], base_views: Sequence[BaseView], reporting_views: Sequence[ReportingView]
) -> list[str]:
    """Return the statements, in order, that restore the views of an earlier publication. None reads data.

    Args:
        existing: of the earlier publication.
        base_views: of the publication that is rolled back.
        reporting_views: likewise.
    """
    remaining = sorted(existing, key=lambda view: (view.schema != BASE_SCHEMA, view.name))
    ordered: list[ExistingView] = []
    while remaining:
        # A view after those that it references. No publication creates a cycle; were there one, start anywhere.
        following = next(
            (v for v in remaining if not any(o is not v and _references(v, o) for o in remaining)), remaining[0]
        )
        remaining.remove(following)
        ordered.append(following)
    statements = [_HEAD.sub(r"\1CREATE OR ALTER VIEW", view.definition, count=1) for view in ordered]
    return statements + _drops(set(_names(base_views, reporting_views)) - {(v.schema, v.name) for v in existing})


def _names(base_views: Sequence[BaseView], reporting_views: Sequence[ReportingView]) -> list[tuple[str, str]]:
    names = [(BASE_SCHEMA, view.name) for view in base_views]
    names += [(REPORTING_SCHEMA, view.name) for view in reporting_views]
    return names + [(RUN_SCHEMA, view.name) for view in RUN_VIEWS]


def _references(view: ExistingView, other: ExistingView) -> bool:
    name = rf"\[?{re.escape(other.schema)}\]?\s*\.\s*(?:\[{re.escape(other.name)}\]|{re.escape(other.name)}\b)"
    return re.search(name, _HEAD.sub("", view.definition, count=1), re.IGNORECASE) is not None


def _drops(names: Iterable[tuple[str, str]]) -> list[str]:
    """Drop reporting views before the base views that they read."""
    ordered = sorted(names, reverse=True)
    return [f"DROP VIEW IF EXISTS {quote_bracketed(s)}.{quote_bracketed(view)}" for s, view in ordered if s in SCHEMAS]
