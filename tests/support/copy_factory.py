"""A small Data Factory behind an autospec'd hook and the SDK's models."""

from __future__ import annotations

from typing import Any
from unittest import mock

from airflow.providers.microsoft.azure.hooks.data_factory import AzureDataFactoryHook
from azure.mgmt.datafactory.models import (
    ActivityRunsQueryResponse,
    CreateRunResponse,
    PipelineRun,
    PipelineRunsQueryResponse,
)


class Factory:
    """Pipeline runs; the query returns pages of two."""

    def __init__(self) -> None:
        self.runs: list[dict[str, Any]] = []
        self.cancelled: list[str] = []
        hook = mock.create_autospec(AzureDataFactoryHook, instance=True)
        hook.run_pipeline.side_effect = self.run_pipeline
        hook.get_pipeline_run.side_effect = self.get_pipeline_run
        hook.cancel_pipeline_run.side_effect = self.cancel
        hook.get_conn.return_value.pipeline_runs.query_by_factory.side_effect = self.query
        self.activities: list[dict[str, Any]] = []
        hook.get_conn.return_value.activity_runs.query_by_pipeline_run.side_effect = self.query_activities
        hook.get_connection.return_value.extra_dejson = {"subscriptionId": "sub"}
        self.hook = hook

    def get_pipeline_run(self, run_id: str, group: str, factory: str) -> PipelineRun:
        """A cancelled run has ended at the second read."""
        run = self.find(run_id)
        model = self.model({**run})
        if run["status"] == "Canceling":
            run["status"] = "Cancelled"
        return model

    def cancel(self, run_id: str, group: str, factory: str, *, retry_on_methods: list[str], **limits: Any) -> None:
        assert (group, factory, retry_on_methods) == ("group", "factory", ["POST"])
        self.cancelled.append(run_id)
        self.find(run_id)["status"] = "Canceling"

    def run_pipeline(
        self, name: str, group: str, factory: str, *, parameters: dict[str, Any], retry_total: int
    ) -> CreateRunResponse:
        assert [run["runId"] for run in self.runs if run["status"] == "Canceling"] == []  # it is waited for
        self.runs.append({"runId": f"run-{len(self.runs) + 1}", "status": "InProgress", "parameters": parameters})
        return CreateRunResponse(run_id=self.runs[-1]["runId"])

    def find(self, run_id: str) -> dict[str, Any]:
        return next(run for run in self.runs if run["runId"] == run_id)

    @staticmethod
    def model(run: dict[str, Any]) -> PipelineRun:
        return PipelineRun(run)

    def query(self, group: str, factory: str, query: Any) -> PipelineRunsQueryResponse:
        body = query.as_dict()  # what would be sent
        assert body["filters"] == [{"operand": "PipelineName", "operator": "Equals", "values": ["midnight_copy"]}]
        start = int(body.get("continuationToken", 0))
        page: dict[str, Any] = {"value": list(reversed(self.runs))[start : start + 2]}
        if start + 2 < len(self.runs):
            page["continuationToken"] = str(start + 2)
        return PipelineRunsQueryResponse(page)

    def query_activities(self, group: str, factory: str, run_id: str, query: Any) -> ActivityRunsQueryResponse:
        start = int(query.as_dict().get("continuationToken", 0))
        page: dict[str, Any] = {"value": self.activities[start : start + 2]}
        if start + 2 < len(self.activities):
            page["continuationToken"] = str(start + 2)
        return ActivityRunsQueryResponse(page)
