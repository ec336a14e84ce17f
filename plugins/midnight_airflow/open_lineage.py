"""Tells Airflow's provider for OpenLineage which tables a task reads and writes, with the lineage of their columns.

The provider makes the events of start, completion and failure and sends them to the transport that it is configured
with. Without a transport it calls nothing of this module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from midnight.settings import Settings, load_settings
from midnight_airflow.run_context import selected_tables

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

    from midnight.lineage.open_lineage import Places, Step


class OpenLineageDatasets:
    """A task whose events name its datasets.

    The provider calls the methods below, logs their exceptions, and goes on without datasets.
    """

    @property
    def lineage_step(self) -> Step:
        """What the task does in a run."""
        raise NotImplementedError

    @property
    def lineage_group(self) -> str | None:
        """The load group whose tables the task reads; None for all."""
        return None

    def get_openlineage_facets_on_start(self) -> OperatorLineage:
        """The datasets of the configuration: which tables the run has chosen is not known yet."""
        return _datasets(self.lineage_step, self.lineage_group, [])

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage:
        """The datasets of the run."""
        parameters = task_instance.get_template_context().get("params", {})
        return _datasets(self.lineage_step, self.lineage_group, selected_tables(parameters.get("tables") or []))

    def get_openlineage_facets_on_failure(self, task_instance: Any) -> OperatorLineage:
        """The datasets of the run: the task may have written some of them."""
        return self.get_openlineage_facets_on_complete(task_instance)


def step_of_job(job: str) -> Step:
    """The step of the Spark job ``bronze_to_silver`` or ``silver_to_gold``."""
    return "silver" if job == "bronze_to_silver" else "gold"


def _datasets(step: Step, group: str | None, names: list[str]) -> OperatorLineage:
    from airflow.providers.openlineage.extractors import OperatorLineage

    from midnight.configuration.files import load_configuration
    from midnight.lineage.lineage import Lineage
    from midnight.lineage.open_lineage import step_datasets

    settings = load_settings()
    configuration = load_configuration(settings.config)
    tables = [t for t in configuration.select(names) if group in (None, t.group)]
    places = _places(settings, configuration.pipeline.source.name, configuration.pipeline.source.connection, step)
    inputs, outputs = step_datasets(Lineage(settings.config, configuration.tables), step, places, tables)
    return OperatorLineage(inputs=inputs, outputs=outputs)


def _places(settings: Settings, source: str, connection_id: str, step: Step) -> Places:
    from airflow.sdk import Connection

    from midnight.lineage.open_lineage import Places

    database, serving = ("", ""), ("file", f"{settings.serving_database}/")
    if step == "bronze":
        connection = Connection.get(connection_id)
        database = (f"{connection.host}:{connection.port or 5432}", connection.schema or "")
    if step == "serving" and settings.profile == "azure":
        synapse = Connection.get("midnight_synapse")
        serving = (f"sqlserver://{synapse.host}:{synapse.port or 1433}", f"{settings.synapse_database}.")
    return Places(settings.paths, source, database, serving)
