"""The figures of a run that are not as expected, from the lake."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midnight.configuration.files import read_configuration
from midnight.configuration.pipeline import load_pipeline
from midnight.expectations.find import find_anomalies
from midnight.gold_to_serving.publication import read_publication
from midnight.lake.files import LakeFiles
from midnight.lake.ledger import read_ledger_rows
from midnight.run.document import read_run_document
from midnight.settings import Settings
from midnight.summary.document import Anomaly

if TYPE_CHECKING:
    import pyarrow as pa


def anomalies_of_run(
    settings: Settings, lake: LakeFiles, batch_id: str, run_id: str, rows: pa.Table | None = None
) -> tuple[Anomaly, ...]:
    """The anomalies of a run's tables; none of a rebuild, which writes every row again, or without a run document.

    What the files say now counts, so that a person can correct them and clear the task.

    Args:
        settings: of the instance.
        lake: reads it.
        batch_id: of the run.
        run_id: Airflow's.
        rows: of the ledger, if the caller has read them.

    Raises:
        ConfigurationError: pipeline.yml is not valid.
        LakeError, ServingError: the ledger or the record of the publication cannot be read.
    """
    document = read_run_document(lake, settings.paths, batch_id)
    if document is None or document.rebuild:
        return ()
    publication = read_publication(settings.paths, lake)
    rows = read_ledger_rows(settings.paths.ledger, lake.storage_options) if rows is None else rows
    if rows is None:
        return ()
    published = "" if publication is None else publication.batch_id
    found = read_configuration(settings.config)
    pipeline = found.pipeline or load_pipeline(settings.config)
    return find_anomalies(rows, run_id, pipeline, found.tables, published_batch=published)
