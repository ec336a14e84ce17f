"""The bronze stage: verifies the sealed batches, and writes the run document for the Spark jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from midnight.run.plan import RunRequest, open_bronze, plan_run
from midnight.run.run_configuration import RunConfiguration, load_run_configuration
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
        ignore_budget: the run's parameter: run although the runs before have cost more than the budget.
        rebuild: rebuild silver from all sealed batches instead of merging the newest one.
    """

    template_fields: Sequence[str] = ("tables", "rebuild", "ignore_budget")
    ui_color = "#F5EBDD"

    def __init__(
        self,
        *,
        tables: list[str] | str = "{{ params.tables }}",
        rebuild: bool | str = False,
        ignore_budget: bool | str = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.tables = tables
        self.rebuild = rebuild
        self.ignore_budget = ignore_budget

    def execute(self, context: Context) -> str:
        """Write the run document.

        Returns:
            Its path.

        Raises:
            ConfigurationError, ModelError: the configuration or a model is wrong.
            BudgetError: runs have cost more than the budget, which stops them.
            BronzeError: a batch is missing, unsealed, or does not match its manifest.
        """
        check_parameters(context)
        settings, names = load_settings(), selected_tables(self.tables)
        rebuild = str(self.rebuild).lower() == "true"
        configuration = self._load(settings, names, complete=rebuild)
        check_masking_key(configuration.tables, names)
        self._check_budget(settings, configuration, batch_id(context))
        request = RunRequest(batch_id(context), str(context["run_id"]), tuple(names), rebuild)
        document = plan_run(request, configuration, open_bronze(settings, open_lake(settings), configuration))
        for work in document.tables:
            rows = sum(manifest.rows for manifest in work.batches)
            self.log.info("%s: %d batches, %d rows", work.table.qualified_name, len(work.batches), rows)
        return settings.paths.run_document(document.batch_id)

    def _check_budget(self, settings: Settings, configuration: RunConfiguration, batch: str) -> None:
        from midnight.cost.budget import check_budget
        from midnight.run.costs import exceeded_by_runs

        pipeline = configuration.tables.pipeline
        exceeded = exceeded_by_runs(pipeline, settings.paths, open_lake(settings), batch)
        for message in exceeded:
            self.log.warning("The budget is exceeded: %s", message)
        if str(self.ignore_budget).lower() != "true":
            check_budget(pipeline.budget, exceeded)

    def _load(self, settings: Settings, names: list[str], *, complete: bool) -> RunConfiguration:
        """The configuration. midnight_rebuild checks all files here, because this is its first task."""
        if not complete:
            return load_run_configuration(settings, names)
        from midnight.configuration_check.check import check_run

        return check_run(settings, names)
