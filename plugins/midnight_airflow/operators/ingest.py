"""The ingest stage as it stands in the DAG: reads one load group with our operator or, in Azure, with Data Factory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from midnight.bronze.batches import BatchFolder
from midnight.configuration.pipeline import Configuration, load_configuration, load_pipeline
from midnight.configuration.tables import Table
from midnight.data_factory.copy_request import copy_parameters
from midnight.errors import ConfigurationError, ConfigurationProblem
from midnight.run.superseded import superseded_by
from midnight.settings import Settings, load_settings
from midnight_airflow.hooks.lake import open_lake
from midnight_airflow.masking_key import check_masking_key
from midnight_airflow.operators.postgres_to_bronze import PostgresToBronzeOperator
from midnight_airflow.operators.run_page_link import RunPageLink
from midnight_airflow.run_context import batch_id, check_parameters, run_time, selected_tables

if TYPE_CHECKING:
    from airflow.sdk import Context

    from midnight_airflow.operators.data_factory import DataFactoryCopyOperator


class IngestOperator(PostgresToBronzeOperator):
    """Read the tables of a load group into bronze and seal the batch, by the way that the run's parameter names.

    One task holds both ways, since two tasks of which one is always skipped would hide what a run really did. All files
    are checked first, as by `make check`: an error in any of them stops the run before anything is read.

    Args:
        ingest_with: the run's parameter: ``operator`` or ``adf``.
        full_reload: the run's parameter: incremental tables are read whole.
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

    def execute(self, context: Context) -> Any:
        """Read the group.

        Raises:
            ConfigurationError: the configuration or the run's parameters are wrong.
            AirflowSkipException: the run is for a night that is gone, and newer ones have read its tables.
        """
        from midnight.configuration_check.check import check_run

        check_parameters(context)
        settings, names = load_settings(), selected_tables(self.tables)
        checked = check_run(settings, names)
        for warning in checked.warnings:
            self.log.warning("%s", warning)
        configuration = checked.tables
        check_masking_key(configuration, names)
        self._skip_if_superseded(context, configuration)
        if self.ingest_with == "adf":
            return self.copy_with_data_factory(context)
        return super().execute(context)

    def _skip_if_superseded(self, context: Context, configuration: Configuration) -> None:
        settings, batch = load_settings(), batch_id(context)
        tables = configuration.select(selected_tables(self.tables))
        newer = superseded_by(open_lake(settings), settings.paths, configuration.pipeline.source.name, tables, batch)
        if newer is not None:
            raise AirflowSkipException(
                f"nothing to do: every table has a newer batch (from {newer} on) than {batch}, the one of this run, so "
                "that nothing it could read would be used. To load now, trigger a run without a logical date; to make "
                "silver and gold anew from bronze, trigger midnight_rebuild"
            )

    def copy_with_data_factory(self, context: Context) -> Any:
        """Only the azure profile has a Data Factory."""
        raise ConfigurationError(
            [
                ConfigurationProblem(
                    "run",
                    None,
                    "ingest_with",
                    "'adf' copies with Azure Data Factory, which the local profile does not have; choose 'operator', "
                    "or set MIDNIGHT_PROFILE=azure and what .env.example lists below it",
                )
            ]
        )


class AzureIngestOperator(IngestOperator):
    """The same task in Azure: ``adf`` copies with Data Factory, and seals what it wrote into the same manifest.

    Args:
        azure_data_factory_conn_id: Airflow connection.
        resource_group_name: of the factory.
        factory_name: of the factory.
        pipeline_name: the pipeline that copies.
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
        """Copy and seal; the task waits in the triggerer meanwhile. Tables that are sealed and intact are kept."""
        missing = self._not_sealed(context)
        if not missing:
            return self.seal(context)
        self._copy = self._copy_operator(context, missing)
        self._copy.runs.verify(load_pipeline(load_settings().config))
        self._copy.copy(context)
        return self.seal(context, self._copy)

    def execute_complete(self, context: Context, event: dict[str, str]) -> Any:
        """The copy has ended."""
        copy = self._copy_operator(context, [])
        copy.execute_complete(context, event)
        copy.run_id = event["run_id"]
        return self.seal(context, copy)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """As Airflow's; no pipeline run is left behind when the wait took too long."""
        copy = self._copy_operator(context, [])
        return copy.cancel_on_timeout(context, super().resume_execution, next_method, next_kwargs)

    def seal(self, context: Context, copy: DataFactoryCopyOperator | None = None) -> dict[str, int]:
        """Check what Data Factory wrote, bring it to bronze's types, and write the manifests.

        Args:
            context: Airflow's.
            copy: has made the pipeline run whose files count; None when everything was sealed before.

        Returns:
            Rows per table.

        Raises:
            BronzeError: Data Factory wrote nothing for a table, not its columns, or not all rows that it counted.
            ValueNotRepresentableError: a value does not fit its column.
        """
        from midnight.bronze.manifest import ReadFrom
        from midnight.data_factory.activity_runs import rows_copied
        from midnight.data_factory.seal_batch import AdfBatch

        settings, configuration = load_settings(), load_configuration(load_settings().config)
        tables = self._tables(configuration)
        run_id, rows = "", {}
        if copy is not None:
            run_id = str(copy.run_id)
            rows = rows_copied(copy.activities(context, run_id), [(t.schema_name, t.table) for t in tables])
        batch = AdfBatch(
            lake=open_lake(settings),
            paths=settings.paths,
            source=configuration.pipeline.source.name,
            tables=tables,
            group=self.group,
            batch_id=batch_id(context),
            run_id=context["run_id"],
            read_from=ReadFrom(server=f"{self.factory_name}/{self.pipeline_name}", server_version="", database=""),
            started_at=run_time(context),
            pipeline_run=run_id,
            rows_copied=rows,
            full_reload=self.is_full_reload,
            say=self.log.info,
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

    def _not_sealed(self, context: Context) -> list[Table]:
        """A copy into the folder of a sealed batch would change it under its readers."""
        settings, configuration = load_settings(), load_configuration(load_settings().config)
        lake, source, batch = open_lake(settings), configuration.pipeline.source.name, batch_id(context)
        return [
            table
            for table in self._tables(configuration)
            if BatchFolder(lake, settings.paths, source, table.schema_name, table.table, batch).intact_manifest()
            is None
        ]

    def _parameters(self, context: Context, settings: Settings, tables: Sequence[Table]) -> dict[str, Any]:
        """Incremental tables with their condition; large tables that are read whole cut into ranges of their key."""
        from midnight.bronze.increments import plan_reading, read_history
        from midnight.data_factory.copy_request import bronze_columns
        from midnight.data_factory.key_ranges import table_cuts

        pipeline, batch = load_pipeline(settings.config), batch_id(context)
        source = pipeline.source.name
        readings, cuts = {}, {}
        if tables:
            lake = open_lake(settings)
            connections = pipeline.group(self.group).connections
        for table in tables:
            history = read_history(lake, settings.paths, source, table, batch)
            reading = plan_reading(table, bronze_columns(table), batch, history, full_reload=self.is_full_reload)
            readings[table.qualified_name] = reading
            if table.mode == "incremental":
                self.log.info("%s", reading)
            if reading.mode == "snapshot":
                cuts[table.qualified_name] = table_cuts(lake, settings.paths, source, table, connections)
        return copy_parameters(settings.paths, source, tables, batch, cuts=cuts, readings=readings)

    def _copy_operator(self, context: Context, tables: Sequence[Table]) -> DataFactoryCopyOperator:
        # Imported and made here: the models of Data Factory alone cost DAG parsing three seconds.
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
