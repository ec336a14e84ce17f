"""The ingest task: reads one load group with ``PostgresToBronzeOperator`` or, in Azure, with Data Factory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from midnight.bronze.batches import BronzeStore
from midnight.bronze.stopped_tables import StoppedTable
from midnight.configuration.files import Configuration, load_configuration
from midnight.configuration.pipeline import load_pipeline
from midnight.configuration.tables import Table
from midnight.data_factory.copy_request import copy_parameters
from midnight.errors import ConfigurationError, ConfigurationProblem
from midnight.run.superseded import superseded_by
from midnight.settings import Settings, load_settings
from midnight_airflow.hooks.lake import open_lake
from midnight_airflow.masking_key import check_masking_key
from midnight_airflow.open_lineage import OpenLineageDatasets
from midnight_airflow.operators.data_factory_stops import finish_copy
from midnight_airflow.operators.postgres_to_bronze import PostgresToBronzeOperator
from midnight_airflow.operators.run_page_link import RunPageLink
from midnight_airflow.run_context import batch_id, check_parameters, run_time, selected_tables

if TYPE_CHECKING:
    from airflow.sdk import Context

    from midnight.lineage.lineage import Lineage
    from midnight.lineage.open_lineage import Step
    from midnight_airflow.operators.data_factory import DataFactoryCopyOperator


class IngestOperator(OpenLineageDatasets, PostgresToBronzeOperator):
    """Read the tables of a load group into bronze and seal the batch, with the method of parameter ``ingest_with``.

    One task has both methods: two tasks of which one is always skipped would hide how a run read its tables. First all
    configuration files are checked, as by ``make check``: any error stops the run before it reads anything.

    Args:
        ingest_with: the run's parameter: ``operator`` or ``adf``.
        full_reload: the run's parameter: read a full snapshot of incremental tables.
    """

    template_fields: Sequence[str] = (*PostgresToBronzeOperator.template_fields, "ingest_with")

    def __init__(
        self,
        *,
        ingest_with: str = "{{ params.ingest_with }}",
        full_reload: bool | str = "{{ params.full_reload }}",
        **kwargs: Any,
    ) -> None:
        super().__init__(full_reload=full_reload, **kwargs)
        self.ingest_with = ingest_with
        self._lineage: Lineage | None = None

    def execute(self, context: Context) -> Any:
        """Read the group.

        Raises:
            ConfigurationError: the configuration or the run's parameters are wrong.
            AirflowSkipException: the run is older than the newest sealed batch of each of its tables.
        """
        from midnight.configuration_check.check import check_run
        from midnight.lineage.lineage import Lineage

        check_parameters(context)
        settings, names = load_settings(), selected_tables(self.tables)
        checked = check_run(settings, names)
        for warning in checked.warnings:
            self.log.warning("%s", warning)
        configuration = checked.tables
        self._lineage = Lineage(settings.config, configuration.tables)
        check_masking_key(configuration, names)
        self._skip_if_superseded(context, configuration)
        if self.ingest_with == "adf":
            return self.copy_with_data_factory(context)
        self.configuration = configuration
        return super().execute(context)

    @property
    def lineage_step(self) -> Step:
        return "bronze"

    @property
    def lineage_group(self) -> str:
        return self.group

    def uses(self, silver: str, columns: Sequence[str]) -> Sequence[str]:
        """What uses some columns of a silver table downstream, for messages."""
        return () if self._lineage is None else self._lineage.uses(silver, columns)

    def _skip_if_superseded(self, context: Context, configuration: Configuration) -> None:
        settings, batch = load_settings(), batch_id(context)
        tables = configuration.select(selected_tables(self.tables))
        newer = superseded_by(_open_bronze(settings, configuration.pipeline.source.name), tables, batch)
        if newer is not None:
            raise AirflowSkipException(
                f"batch {batch} of this run is older than the newest sealed batch of every table (from {newer} on), so "
                "its rows would not be used; hint: to load now, trigger a run without a logical date; to rebuild "
                "silver and gold from bronze, trigger midnight_rebuild"
            )

    def copy_with_data_factory(self, context: Context) -> Any:
        """Copy the group with Data Factory; refused here, because the local profile has none."""
        raise ConfigurationError(
            [
                ConfigurationProblem(
                    "run",
                    None,
                    "ingest_with",
                    "'adf' needs Azure Data Factory, which the local profile does not have; hint: choose 'operator', "
                    "or set MIDNIGHT_PROFILE=azure and the settings below it in .env.example",
                )
            ]
        )


class AzureIngestOperator(IngestOperator):
    """The ingest task of the azure profile: ``adf`` copies with Data Factory, and seals its files with a manifest.

    Args:
        azure_data_factory_conn_id: Airflow connection.
        resource_group_name: resource group of the factory.
        factory_name: name of the factory.
        pipeline_name: name of the copy pipeline.
    """

    operator_extra_links = (RunPageLink(),)

    def __init__(
        self,
        *,
        azure_data_factory_conn_id: str,
        resource_group_name: str,
        factory_name: str,
        pipeline_name: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.azure_data_factory_conn_id = azure_data_factory_conn_id
        self.resource_group_name = resource_group_name
        self.factory_name = factory_name
        self.pipeline_name = pipeline_name
        self._copy: DataFactoryCopyOperator | None = None

    def copy_with_data_factory(self, context: Context) -> Any:
        """Copy and seal; the task is deferred meanwhile. Tables that are sealed and intact are not copied again."""
        from midnight.bronze.earlier_sealings import complete_earlier_sealings

        settings = load_settings()
        bronze = _open_bronze(settings, load_pipeline(settings.config).source.name)
        for line in complete_earlier_sealings(bronze, self.group, batch_id(context)):
            self.log.info("%s", line)
        if bronze.complete_sealing(self.group, batch_id(context)):
            self.log.info("completed the sealing of this batch, which a killed try had begun")
        missing = self._unsealed_tables(context)
        if not missing:
            return self.seal(context)
        self._copy = self._copy_operator(context, missing)
        self._copy.runs.verify(load_pipeline(settings.config))
        self._copy.copy(context)
        return self.seal(context, self._copy)

    def execute_complete(self, context: Context, event: dict[str, str]) -> Any:
        """Evaluate the result of the copy, then seal."""
        copy = self._copy_operator(context, [])
        stopped = finish_copy(copy, context, event, self._tables(load_configuration(load_settings().config)))
        return self.seal(context, copy, stopped)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume; cancel the pipeline run when Airflow ended the deferral."""
        copy = self._copy_operator(context, [])
        return copy.cancel_on_timeout(context, super().resume_execution, next_method, next_kwargs)

    def seal(
        self, context: Context, copy: DataFactoryCopyOperator | None = None, stopped: Sequence[StoppedTable] = ()
    ) -> dict[str, int]:
        """Verify the files that Data Factory wrote, convert them to bronze's types, and write the manifests.

        Tables with a value that does not fit its column are stopped.

        Args:
            context: Airflow's.
            copy: the operator whose pipeline run wrote the files; None when all tables were sealed before.
            stopped: tables that are not sealed.

        Returns:
            Rows per table.

        Raises:
            BronzeError: files of a table are missing, have other columns, or have fewer rows than Data Factory reports.
        """
        from midnight.bronze.manifest import ReadFrom
        from midnight.data_factory.activity_runs import rows_copied
        from midnight.data_factory.seal_batch import AdfBatch

        settings, configuration = load_settings(), load_configuration(load_settings().config)
        bronze = _open_bronze(settings, configuration.pipeline.source.name)
        left_out = {table.silver for table in stopped}
        tables = [table for table in self._tables(configuration) if table.silver not in left_out]
        run_id, rows, keys = "", {}, {}
        if copy is not None:
            run_id = str(copy.run_id)
            activities, names = copy.activities(context, run_id), [(t.schema_name, t.table) for t in tables]
            rows, keys = rows_copied(activities, names), rows_copied(activities, names, keys=True)
        batch = AdfBatch(
            bronze=bronze,
            tables=tables,
            group=self.group,
            batch_id=batch_id(context),
            run_id=context["run_id"],
            read_from=ReadFrom(server=f"{self.factory_name}/{self.pipeline_name}", server_version="", database=""),
            started_at=run_time(context),
            pipeline_run=run_id,
            rows_copied=rows,
            keys_copied=keys,
            full_reload=self.is_full_reload,
            stopped=tuple(stopped),
            log=self.log.info,
            warn=self.log.warning,
        )
        return batch.seal()

    def on_kill(self) -> None:
        if self._copy is not None:
            self._copy.on_kill()
        else:
            super().on_kill()

    def _tables(self, configuration: Configuration) -> list[Table]:
        chosen = configuration.select(selected_tables(self.tables))
        return [table for table in chosen if table.group == self.group]

    def _unsealed_tables(self, context: Context) -> list[Table]:
        """Tables without an intact sealed batch. A copy into a sealed batch would change it while it is read."""
        settings, configuration = load_settings(), load_configuration(load_settings().config)
        bronze, batch = _open_bronze(settings, configuration.pipeline.source.name), batch_id(context)
        return [table for table in self._tables(configuration) if bronze.intact_manifest(table, batch) is None]

    def _parameters(self, context: Context, settings: Settings, tables: Sequence[Table]) -> dict[str, Any]:
        """Parameters of the pipeline: conditions of incremental tables, key ranges of large full reads."""
        from midnight.bronze.increments import plan_read, read_history
        from midnight.data_factory.copy_request import copied_schema
        from midnight.data_factory.key_ranges import table_cuts

        pipeline, batch = load_pipeline(settings.config), batch_id(context)
        source = pipeline.source.name
        readings, cuts = {}, {}
        if tables:
            bronze = _open_bronze(settings, source)
            connections = pipeline.group(self.group).connections
        for table in tables:
            history = read_history(bronze, table, batch)
            reading = plan_read(table, copied_schema(table), batch, history, full_reload=self.is_full_reload)
            readings[table.qualified_name] = reading
            if table.mode == "incremental":
                self.log.info("%s", reading)
            if reading.mode == "snapshot" or reading.reads_keys:
                cuts[table.qualified_name] = table_cuts(bronze, table, connections)
        return copy_parameters(settings.paths, source, tables, batch, cuts=cuts, readings=readings)

    def _copy_operator(self, context: Context, tables: Sequence[Table]) -> DataFactoryCopyOperator:
        # Imported here: importing the SDK of Data Factory takes three seconds of DAG parsing.
        from midnight_airflow.operators.data_factory import DataFactoryCopyOperator

        settings = load_settings()
        return DataFactoryCopyOperator(
            task_id=self.task_id,
            azure_data_factory_conn_id=self.azure_data_factory_conn_id,
            resource_group_name=self.resource_group_name,
            factory_name=self.factory_name,
            pipeline_name=self.pipeline_name,
            parameters=self._parameters(context, settings, tables),
            execution_timeout=self.execution_timeout,
            check_interval=settings.polling_seconds,
        )


def _open_bronze(settings: Settings, source: str) -> BronzeStore:
    return BronzeStore(open_lake(settings), settings.paths, source)
