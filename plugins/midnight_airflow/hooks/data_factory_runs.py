"""The runs of one Data Factory pipeline, through the provider's hook."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.microsoft.azure.hooks.data_factory import AzureDataFactoryPipelineRunStatus

from midnight.configuration.pipeline import Pipeline
from midnight.data_factory.resource_files import pipeline_differences
from midnight.errors import DeploymentError

if TYPE_CHECKING:
    from airflow.providers.microsoft.azure.hooks.data_factory import AzureDataFactoryHook
    from azure.mgmt.datafactory.models import PipelineRun, RunQueryFilter


ACTIVE_STATUSES = (AzureDataFactoryPipelineRunStatus.QUEUED, AzureDataFactoryPipelineRunStatus.IN_PROGRESS)


class PipelineRuns:
    """The runs of one pipeline.

    Every request names resource group and factory. Without them the hook reads the connection from Airflow's
    supervisor, which blocks forever inside a signal handler (``on_kill``).

    Args:
        hook: hook of the factory's connection.
        place: names of resource group and factory.
        pipeline: name of the pipeline.
    """

    def __init__(self, hook: AzureDataFactoryHook, place: tuple[str, str], pipeline: str) -> None:
        self._hook, self._place, self._pipeline = hook, place, pipeline

    def verify(self, pipeline: Pipeline) -> None:
        """Compare the deployed pipeline with the one that this code and this configuration expect.

        Args:
            pipeline: the configuration's ``pipeline.yml``.

        Raises:
            DeploymentError: it does not exist, is not visible, or differs; the message lists every difference.
        """
        from azure.core.exceptions import HttpResponseError

        name = f"pipeline {self._pipeline!r} of Data Factory {self._place[1]!r}"
        try:
            deployed: Any = self._hook.get_conn().pipelines.get(*self._place, self._pipeline)
        except HttpResponseError as error:
            if error.status_code not in (403, 404):
                raise
            raise DeploymentError(
                f"{name} does not exist or is not visible to Airflow's identity ({error.status_code}); hint: set "
                "source_database in the .tfvars file, run `terraform apply`, and check that the identity has the role "
                "Midnight Pipeline Runner (docs/azure.md, step 4)"
            ) from error
        differences = pipeline_differences(deployed.as_dict().get("properties") or {}, pipeline)
        if differences:
            raise DeploymentError(
                f"{name} differs from the one that this code expects: {'; '.join(differences)}; hint: run "
                "`python -m tools.generated_files`, then `terraform apply` (docs/azure.md, step 4)"
            )

    def start(self, parameters: dict[str, Any]) -> str:
        """Start a run and return its id. The request is sent once: the client would retry after 500, 503 and 504, and
        the run may have been started nevertheless."""
        return str(self._hook.run_pipeline(self._pipeline, *self._place, parameters=parameters, retry_total=0).run_id)

    def get(self, run_id: str) -> PipelineRun:
        """Read one run."""
        return self._hook.get_pipeline_run(run_id, *self._place)

    def cancel(self, run_id: str) -> None:
        """Cancel a run. This is idempotent, so the client may retry it after every transient error."""
        self._hook.cancel_pipeline_run(run_id, *self._place, retry_on_methods=["POST"], retry_backoff_max=8)

    def recent(self, since: datetime) -> Iterator[PipelineRun]:
        """Runs of the pipeline, newest first.

        Args:
            since: approximate start of the oldest one.
        """
        from azure.mgmt.datafactory.models import RunQueryFilter, RunQueryOrderBy

        name = RunQueryFilter(operand="PipelineName", operator="Equals", values_property=[self._pipeline])
        query = _window(since, name)
        query.order_by = [RunQueryOrderBy(order_by="RunStart", order="DESC")]
        runs = self._hook.get_conn().pipeline_runs
        while True:
            page = runs.query_by_factory(*self._place, query)
            yield from page.value
            if not page.continuation_token:
                return
            query.continuation_token = page.continuation_token

    def activities(self, run_id: str, since: datetime) -> list[Mapping[str, Any]]:
        """The activity runs of a pipeline run, one entry per try.

        Raises:
            azure.core.exceptions.AzureError: the request failed.
        """
        client, query = self._hook.get_conn().activity_runs, _window(since)
        found: list[Mapping[str, Any]] = []
        while True:
            page = client.query_by_pipeline_run(*self._place, run_id, query)
            found += page.value
            if not page.continuation_token:
                return found
            query.continuation_token = page.continuation_token


def _window(since: datetime, *filters: RunQueryFilter) -> Any:
    from azure.mgmt.datafactory.models import RunFilterParameters

    return RunFilterParameters(
        last_updated_after=since - timedelta(days=1),
        last_updated_before=datetime.now(UTC) + timedelta(hours=1),
        filters=list(filters),
    )
