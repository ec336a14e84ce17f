"""Publishes the newest gold build as views."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from midnight.errors import ExpectationError
from midnight.names import releasable_figure
from midnight.settings import Settings, load_settings
from midnight_airflow.assets import emit_gold_events
from midnight_airflow.hooks.lake import open_lake
from midnight_airflow.open_lineage import OpenLineageDatasets
from midnight_airflow.release import ask_for_release, decide
from midnight_airflow.run_context import batch_id
from midnight_airflow.run_costs import record_costs
from midnight_airflow.run_summary import summarise_publication

if TYPE_CHECKING:
    from airflow.sdk import Context

    from midnight.cost.facts import CostFact
    from midnight.gold_to_serving.publication import Publication
    from midnight.lineage.open_lineage import Step
    from midnight.summary.document import Anomaly
    from midnight_airflow.hooks.synapse import SynapseHook


class PublishViewsOperator(OpenLineageDatasets, BaseOperator):
    """Publish the newest complete build of gold: a DuckDB file (local profile) or Synapse serverless (azure profile).

    Clearing this task of an older run publishes the newest build again: readers never see an older build.

    Args:
        publish_unexpected: publish although a figure is outside of an expectation with ``on_failure: fail``.
        synapse_conn_id: Airflow connection of the Synapse serverless endpoint (azure profile only).
    """

    template_fields: Sequence[str] = ("publish_unexpected",)
    ui_color = "#E9E4F5"

    def __init__(
        self,
        *,
        publish_unexpected: bool | str = False,
        synapse_conn_id: str = "midnight_synapse",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.publish_unexpected = publish_unexpected
        self.synapse_conn_id = synapse_conn_id

    @property
    def lineage_step(self) -> Step:
        return "serving"

    def execute(self, context: Context) -> dict[str, Any]:
        """Publish, and return the record of the publication.

        Raises:
            ConfigurationError: a reporting view is wrong.
            ExpectationError: a figure of the run is outside of an expectation with ``on_failure: fail``.
            ServingError: there is no complete build, or a view fails; readers keep the last publication.
        """
        from midnight.gold_to_serving.publication import changed_models

        settings = load_settings()
        try:
            anomalies = self._check_figures(settings, batch_id(context), str(context["dag_run"].run_id))
        except ExpectationError as error:
            ask_for_release(self, context, error)
            raise
        scanned = self._processed(settings)
        publication = self._publish(settings, batch_id(context), str(context["dag_run"].run_id))
        if settings.profile == "azure":
            record_costs(context, publication.build_id, partial(self._scan_facts, settings, publication, scanned))
        self.log.info("Published %d views of build %s", len(publication.views), publication.build_id)
        for name, rows in publication.views.items():
            self.log.info("%s%s", name, "" if rows is None else f": {rows:,} rows")
        summarise_publication(context, anomalies)
        changed = changed_models(settings.paths, open_lake(settings), publication)
        emit_gold_events(context, settings, publication, changed)
        return publication.model_dump(mode="json")

    def execute_released(
        self, context: Context, event: dict[str, Any], message: str, releasable: list[str]
    ) -> dict[str, Any]:
        """Publish after a person has released the figures that are not as expected.

        Raises:
            NonRetryableJobError: they were not released.
        """
        decide(context, event, message, releasable)
        return self.execute(context)

    def _check_figures(self, settings: Settings, batch: str, run_id: str) -> tuple[Anomaly, ...]:
        from midnight.expectations.find import check_figures
        from midnight.run.anomalies import anomalies_of_run
        from midnight.run.document import read_run_document
        from midnight.run.release import is_released

        anomalies = anomalies_of_run(settings, open_lake(settings), batch, run_id)
        for anomaly in anomalies:
            self.log.warning("Not as expected: %s", anomaly.message)
        if str(self.publish_unexpected).lower() != "true":
            document = read_run_document(open_lake(settings), settings.paths, batch)
            check_figures(
                anomaly
                for anomaly in anomalies
                if document is None or not is_released(document, releasable_figure(anomaly.table, anomaly.figure))
            )
        return anomalies

    def _publish(self, settings: Settings, batch: str, run_id: str) -> Publication:
        # Imported here: neither DAG parsing nor the other profile must load DuckDB, sqlglot or the driver.
        from midnight.gold_to_serving.publish import publish_locally, publish_on_synapse

        common: dict[str, Any] = {
            "paths": settings.paths,
            "files": open_lake(settings),
            "configuration": settings.config,
            "batch_id": batch,
            "run_id": run_id,
        }
        if settings.profile == "local":
            return publish_locally(database=settings.serving_database, **common)
        return publish_on_synapse(
            database=settings.synapse_database, endpoint=self._synapse(settings), warn=self.log.warning, **common
        )

    def _processed(self, settings: Settings) -> float | None:
        return self._synapse(settings).data_processed_mb() if settings.profile == "azure" else None

    def _scan_facts(self, settings: Settings, publication: Publication, before: float | None) -> list[CostFact]:
        """What the publication has read. Queries of others at the same time are in it; each view is read once."""
        from midnight.cost.facts import least_scanned_mb, scan_facts
        from midnight.gold_to_serving.run_views import RUN_VIEWS

        after = self._processed(settings)
        if before is None or after is None or after < before:  # not visible, or a new day has begun
            return scan_facts(
                least_scanned_mb(len(publication.views) + len(RUN_VIEWS)), "TB at least, for the probes of the views"
            )
        return scan_facts(after - before, "TB processed while the views were published")

    def _synapse(self, settings: Settings) -> SynapseHook:
        from midnight_airflow.hooks.synapse import SynapseHook

        return SynapseHook(self.synapse_conn_id, database=settings.synapse_database)
