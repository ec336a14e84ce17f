"""A run of the local profile in this process."""

from __future__ import annotations

import asyncio

from cli.postgres.embedded import Server
from midnight.bronze.batches import BronzeStore
from midnight.gold_to_serving.publish import publish_locally
from midnight.lake.files import open_local_lake
from midnight.lake.ledger import LedgerEntry
from midnight.postgres_to_bronze.load_group import GroupIngest
from midnight.postgres_to_bronze.source_address import SourceAddress
from midnight.report.page import render_report
from midnight.run.document import RunDocument
from midnight.run.plan import RunRequest, plan_run
from midnight.run.run_configuration import load_run_configuration
from midnight.settings import Settings
from spark_jobs.gold.run import build_gold
from spark_jobs.runtime.session import open_session
from spark_jobs.silver.run import build_silver


def run_pipeline(settings: Settings, server: Server, batch_id: str) -> list[LedgerEntry]:
    """The steps of the DAG, without Airflow."""
    entries, document = run_silver(settings, server, batch_id)
    with open_session("sail") as session:
        build_gold(session, document)
    publication = publish_locally(
        paths=settings.paths,
        files=open_local_lake(),
        configuration=settings.config,
        database=settings.serving_database,
        batch_id=batch_id,
        run_id=batch_id,
    )
    render_report(
        database=settings.serving_database,
        configuration=settings.config,
        page=settings.report_page,
        publication=publication,
    )
    return entries


def run_silver(settings: Settings, server: Server, batch_id: str) -> tuple[list[LedgerEntry], RunDocument]:
    """The first half of the steps: from the source to silver."""
    configuration = load_run_configuration(settings, [])
    bronze = BronzeStore(open_local_lake(), settings.paths, configuration.tables.pipeline.source.name)
    address = SourceAddress(server.host, server.database, server.user, server.port, server.password)
    (group,) = configuration.tables.pipeline.groups
    ingest = GroupIngest(
        address=address,
        bronze=bronze,
        tables=configuration.tables.tables,
        group=group,
        batch_id=batch_id,
        run_id=batch_id,
    )
    asyncio.run(ingest.run())
    document = plan_run(RunRequest(batch_id, run_id=batch_id), configuration, bronze)
    with open_session("sail") as session:
        return build_silver(session, document), document
