"""The bronze stage: verifies what ingest sealed, and writes what the Spark jobs shall do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from midnight.configuration.pipeline import Configuration, load_configuration
from midnight.run.plan import RunRequest, write_plan
from midnight.settings import Settings, load_settings
from midnight_airflow.hooks.lake import open_lake
from midnight_airflow.masking_key import check_masking_key
from midnight_airflow.run_context import batch_id, check_parameters, selected_tables

if TYPE_CHECKING:
    from airflow.sdk import Context


class PlanBatchOperator(BaseOperator):
    """Verify the manifests of the batch against its files, and write the run document of the batch.

    Args:
        tables: the run's parameter: names of the tables; empty means all.
        rebuild: silver is made anew from all sealed batches instead of merging the newest.
    """

    template_fields: Sequence[str] = ("tables", "rebuild")
    ui_color = "#F5EBDD"

    def __init__(
        self, *, tables: list[str] | str = "{{ params.tables }}", rebuild: bool | str = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.tables = tables
        self.rebuild = rebuild

    def execute(self, context: Context) -> str:
        """Write the run document.

        Returns:
            Its path.

        Raises:
            ConfigurationError, ModelError: the configuration is wrong.
            BronzeError: a batch is missing, unsealed, or does not match its manifest.
        """
        check_parameters(context)
        settings, names = load_settings(), selected_tables(self.tables)
        rebuild = str(self.rebuild).lower() == "true"
        check_masking_key(self._load(settings, names, complete=rebuild), names)
        request = RunRequest(batch_id(context), str(context["run_id"]), tuple(names), rebuild)
        document = write_plan(settings, open_lake(settings), request)
        for work in document.tables:
            rows = sum(manifest.rows for manifest in work.batches)
            self.log.info("%s: %d batches, %d rows", work.table.qualified_name, len(work.batches), rows)
        return settings.paths.run_document(document.batch_id)

    def _load(self, settings: Settings, names: list[str], *, complete: bool) -> Configuration:
        """The tables; after the check of all files in midnight_rebuild, whose first task this is."""
        if not complete:
            return load_configuration(settings.config)
        from midnight.configuration_check.check import check_run

        return check_run(settings, names).tables
