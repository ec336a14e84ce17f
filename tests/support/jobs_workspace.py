"""A small Databricks workspace behind an autospec'd hook."""

from __future__ import annotations

from typing import Any
from unittest import mock

from airflow.providers.databricks.hooks.databricks import DatabricksHook

from midnight.databricks.wheel_name import wheel_name
from tests.support.deployed import deployed_job

RUNNING = {"life_cycle_state": "RUNNING"}
DONE = {"life_cycle_state": "TERMINATED", "result_state": "SUCCESS"}
FAILED = {"life_cycle_state": "TERMINATED", "result_state": "FAILED", "state_message": "Workload failed"}


class Workspace:
    """The Jobs API's contract: one run per idempotency token, the tasks of the job in each run."""

    def __init__(self) -> None:
        self.job = deployed_job(f"/Workspace/midnight-wheels/{wheel_name()}")
        self.runs: dict[int, dict[str, Any]] = {}
        self.tokens: dict[str, int] = {}
        self.requests: list[dict[str, Any]] = []
        self.logs = "12 rows\nerror: flights: 3 rows break the key; look at the quarantine\n"
        hook = mock.create_autospec(DatabricksHook, instance=True, spec_set=True)
        for name in ("run_now", "get_run", "get_run_output", "cancel_run"):
            getattr(hook, name).side_effect = getattr(self, name)
        hook._do_api_call.side_effect = self.answer
        self.hook = hook

    def run_now(self, json: dict[str, Any]) -> int:
        self.requests.append(json)
        if json["idempotency_token"] not in self.tokens:
            number = 1 + len(self.runs)
            tasks = [
                {"task_key": t["task_key"], "run_id": 10 * number + i, "state": dict(RUNNING)}
                for i, t in enumerate(self.job["tasks"])
            ]
            parameters = [{"name": name, "value": value} for name, value in json["job_parameters"].items()]
            self.runs[number] = {
                "run_id": number,
                "job_parameters": parameters,
                "state": dict(RUNNING),
                "tasks": tasks,
                "run_page_url": f"https://adb/{number}",
            }
            self.tokens[json["idempotency_token"]] = number
        return self.tokens[json["idempotency_token"]]

    def get_run(self, run_id: int) -> dict[str, Any]:
        return self.runs[run_id]

    def answer(self, endpoint: tuple[str, str], query: dict[str, Any]) -> dict[str, Any]:
        assert query["job_id"] == 7
        if endpoint == ("GET", "2.2/jobs/get"):
            return {"job_id": 7, "settings": self.job}
        assert (endpoint, query["active_only"]) == (("GET", "2.2/jobs/runs/list"), "true")
        return {"runs": [run for run in self.runs.values() if run["state"] == RUNNING]}

    def steps(self, run_id: int) -> str:
        """The parameter ``steps`` of a run."""
        parameters = {item["name"]: item["value"] for item in self.runs[run_id]["job_parameters"]}
        return str(parameters["steps"])

    def get_run_output(self, run_id: int) -> dict[str, Any]:
        return {"logs": self.logs, "error": "SystemExit: 1"}

    def cancel_run(self, run_id: int) -> None:
        self.runs[run_id]["state"] = {"life_cycle_state": "TERMINATED", "result_state": "CANCELED"}

    def end(self, run_id: int, **steps: dict[str, str]) -> None:
        """End steps of a run; the run ends with its last step."""
        for task in self.runs[run_id]["tasks"]:
            task["state"] = steps.get(task["task_key"], task["state"])
        if all(task["state"]["life_cycle_state"] == "TERMINATED" for task in self.runs[run_id]["tasks"]):
            failed = any(task["state"]["result_state"] != "SUCCESS" for task in self.runs[run_id]["tasks"])
            self.runs[run_id]["state"] = dict(FAILED if failed else DONE)
