"""Publishes the newest gold build as views."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from midnight.settings import Settings, load_settings
from midnight_airflow.hooks.lake import open_lake
from midnight_airflow.run_context import batch_id

if TYPE_CHECKING:
    from airflow.sdk import Context

    from midnight.gold_to_serving.publication import Publication
    from midnight_airflow.hooks.synapse import SynapseHook


class PublishViewsOperator(BaseOperator):
    """Publish the newest complete build of gold: a DuckDB file (local profile) or Synapse serverless (azure profile).

    Clearing this task of an older run publishes the newest build again: readers never see an older build.

    Args:
        synapse_conn_id: Airflow connection of the Synapse serverless endpoint (azure profile only).
    """

    ui_color = "#E9E4F5"

    def __init__(
        self,
        *,
        synapse_conn_id: str = "midnight_synapse",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.synapse_conn_id = synapse_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Publish, and return the record of the publication.

        Raises:
            ConfigurationError: a reporting view is wrong.
            ServingError: there is no complete build, or a view fails; readers keep the last publication.
        """
        settings = load_settings()
        publication = self._publish(settings, batch_id(context), str(context["dag_run"].run_id))
        self.log.info("Published %d views of build %s", len(publication.views), publication.build_id)
        for name, rows in publication.views.items():
            self.log.info("%s%s", name, "" if rows is None else f": {rows:,} rows")
        return publication.model_dump(mode="json")

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

    def _synapse(self, settings: Settings) -> SynapseHook:
        from midnight_airflow.hooks.synapse import SynapseHook

        return SynapseHook(self.synapse_conn_id, database=settings.synapse_database)
