"""A run of the local profile in this process."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from cli.postgres.embedded import Server
from midnight.bronze.batches import BronzeStore
from midnight.configuration.dag_parsing import pipeline_for_parsing
from midnight.configuration.pipeline import load_pipeline
from midnight.gold_to_serving.publish import publish_locally
from midnight.gold_to_serving.run_rows import write_run_rows
from midnight.lake.files import open_local_lake
from midnight.lake.ledger import LedgerEntry
from midnight.postgres_to_bronze.load_group import GroupIngest
from midnight.postgres_to_bronze.source_address import SourceAddress
from midnight.report.local_pages import write_local_pages
from midnight.run.document import RunDocument
from midnight.run.plan import RunRequest, plan_run
from midnight.run.run_configuration import load_run_configuration
from midnight.run.summarise import RunFacts, summarise_run
from midnight.settings import Settings
from midnight.silver_to_gold.load_contracts import load_gold_contracts
from midnight.silver_to_gold.source_rules import figure_queries
from midnight.summary.document import RunSummary
from midnight.summary.storage import write_summary
from spark_jobs.gold.run import build_gold
from spark_jobs.runtime.session import open_session
from spark_jobs.silver.run import build_silver


def run_pipeline(settings: Settings, server: Server, batch_id: str) -> list[LedgerEntry]:
    """The steps of the DAG, without Airflow."""
    entries, document = run_silver(settings, server, batch_id)
    with open_session("sail") as session:
        build_gold(session, document)
    publish_locally(
        paths=settings.paths,
        files=open_local_lake(),
        configuration=settings.config,
        database=settings.serving_database,
        batch_id=batch_id,
        run_id=batch_id,
    )
    write_summary_of(settings, batch_id)
    write_local_pages(settings, open_local_lake(), load_pipeline(settings.config), now=datetime.now(UTC))
    return entries


def run_silver(settings: Settings, server: Server, batch_id: str) -> tuple[list[LedgerEntry], RunDocument]:
    """The first half of the steps: from the source to silver."""
    configuration = load_run_configuration(settings, [])
    bronze = BronzeStore(open_local_lake(), settings.paths, configuration.tables.pipeline.source.name)
    address = SourceAddress(server.host, server.database, server.user, server.port, server.password)
    for group in configuration.tables.pipeline.groups:
        ingest = GroupIngest(
            address=address,
            bronze=bronze,
            tables=[table for table in configuration.tables.tables if table.group == group.name],
            group=group,
            batch_id=batch_id,
            run_id=batch_id,
            figures=figure_queries(load_gold_contracts(settings.config)),
        )
        asyncio.run(ingest.run())
    document = plan_run(RunRequest(batch_id, run_id=batch_id), configuration, bronze)
    with open_session("sail") as session:
        return build_silver(session, document), document


def write_summary_of(settings: Settings, batch_id: str) -> RunSummary:
    """The summary of a run that has published, as the task writes it."""
    lake, now = open_local_lake(), datetime.now(UTC)
    pipeline = pipeline_for_parsing(settings.config)
    facts = RunFacts(batch_id, batch_id, now, pipeline.source.name, pipeline.schedule.timezone, now)
    summary = summarise_run(lake, settings.paths, facts)
    write_summary(lake, settings.paths, summary)
    write_run_rows(lake, settings.paths, summary)
    return summary
