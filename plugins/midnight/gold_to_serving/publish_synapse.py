"""The statements that publish on Synapse serverless. They run in one transaction: metadata there is transactional."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from midnight.gold_builds import GoldBuild
from midnight.gold_to_serving.base_views import BASE_SCHEMA, BaseView, bracketed, synapse_base_view, text_literal
from midnight.gold_to_serving.reporting_views import REPORTING_SCHEMA, ReportingView

SCHEMAS = (BASE_SCHEMA, REPORTING_SCHEMA)
EXISTING_VIEWS = (
    "SELECT s.name, v.name FROM sys.views AS v INNER JOIN sys.schemas AS s ON v.schema_id = s.schema_id "
    f"WHERE s.name IN ({', '.join(text_literal(schema) for schema in SCHEMAS)}) ORDER BY s.name, v.name"
)


def synapse_statements(
    build: GoldBuild,
    base_views: Sequence[BaseView],
    reporting_views: Sequence[ReportingView],
    existing: Iterable[tuple[str, str]] = (),
) -> list[str]:
    """Everything that brings the views of the schemas gold and reporting to this build, in order.

    The two schemas belong to Midnight: a view in them that nothing defines any more is dropped. Running the list again
    changes nothing. The last statements read one row of each view, so that one that cannot be read rolls back all.

    Args:
        build: the build of gold.
        base_views: of that build.
        reporting_views: each after those that it reads.
        existing: pairs of schema and view that ``EXISTING_VIEWS`` finds.
    """
    statements = [
        f"IF SCHEMA_ID({text_literal(s)}) IS NULL EXEC({text_literal(f'CREATE SCHEMA [{s}]')})" for s in SCHEMAS
    ]
    statements += [synapse_base_view(view, build.models[view.name].path) for view in base_views]
    statements += [view.tsql for view in reporting_views]
    defined = [(BASE_SCHEMA, view.name) for view in base_views]
    defined += [(REPORTING_SCHEMA, view.name) for view in reporting_views]
    obsolete = sorted(set(existing) - set(defined), reverse=True)  # reporting before what it reads
    statements += [f"DROP VIEW IF EXISTS {bracketed(s)}.{bracketed(view)}" for s, view in obsolete if s in SCHEMAS]
    statements += [f"SELECT TOP (1) 1 AS [readable] FROM {bracketed(s)}.{bracketed(view)}" for s, view in defined]
    return statements
