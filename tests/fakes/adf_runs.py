"""Runs a pipeline of include/adf/ as Data Factory does: IfCondition, Fail, ForEach, Copy, retries, cancelling."""

from __future__ import annotations

import math
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.fakes.adf_expressions import resolve
from tests.fakes.adf_parquet import Cancelled, CopyError, copy_to_parquet

Resources = dict[str, dict[str, dict[str, Any]]]


@dataclass
class Run:
    """A pipeline run; ``document`` is what the service returns for it."""

    document: dict[str, Any]
    parameters: dict[str, Any]
    activities: list[dict[str, Any]] = field(default_factory=list)
    cancelled: threading.Event = field(default_factory=threading.Event)


class PipelineRunner:
    """Executes runs, each in a thread of its own.

    Args:
        resources: kind (folder of the Git integration) -> name -> document.
        dsn: of the source that the linked service names.
        write: takes folder (below the container bronze), file name and content.

    Attributes:
        failures: ``schema.table`` -> messages with which its next copies fail, one per attempt of the activity.
        delays: ``schema.table`` -> seconds before its copy begins; a cancelled copy does not wait longer.
        copy_minutes: the meter: minutes of data movement of all runs.
    """

    def __init__(self, resources: Resources, dsn: str, write: Callable[[str, str, bytes], object]) -> None:
        self.resources, self.dsn, self.write = resources, dsn, write
        self.failures: dict[str, list[str]] = {}
        self.delays: dict[str, float] = {}
        self._threads: list[threading.Thread] = []
        self.copy_minutes = 0

    def start(self, run: Run) -> None:
        """Begin a run that is queued."""
        thread = threading.Thread(target=self._execute, args=(run,))
        self._threads.append(thread)
        thread.start()

    def join(self) -> None:
        """Wait for all runs."""
        for thread in self._threads:
            thread.join(60)

    @staticmethod
    def show(run: Run, status: str, message: str = "") -> None:
        ended = {"runEnd": now()} if status in ("Succeeded", "Failed", "Cancelled") else {}
        run.document.update(status=status, message=message, lastUpdated=now(), **ended)

    def _execute(self, run: Run) -> None:
        properties = self.resources["pipeline"][run.document["pipelineName"]]["properties"]
        scope = {"pipeline": {"parameters": run.parameters, "RunId": run.document["runId"]}}
        if not run.cancelled.is_set():
            self.show(run, "InProgress")
        try:
            for activity in properties["activities"]:
                self._control(run, activity, scope)
            self.show(run, "Cancelled" if run.cancelled.is_set() else "Succeeded")
        except Cancelled:
            self.show(run, "Cancelled")
        except CopyError as error:
            self.show(run, "Failed", str(error))

    def _control(self, run: Run, activity: dict[str, Any], scope: dict[str, Any]) -> None:
        """IfCondition with a Fail inside, and ForEach with copies, as in the committed pipeline."""
        definition, error = activity["typeProperties"], None
        if activity["type"] == "IfCondition":
            if resolve(definition["expression"], scope):
                (inner,) = definition["ifTrueActivities"]
                error = CopyError(f"Operation on target {inner['name']} failed: {inner['typeProperties']['message']}")
        elif activity["type"] == "ForEach":
            (copy,) = definition["activities"]
            items = resolve(definition["items"], scope)
            with ThreadPoolExecutor(1 if definition["isSequential"] else definition["batchCount"]) as pool:
                errors = [e for e in pool.map(lambda item: self._copy(run, copy, {**scope, "item": item}), items) if e]
            if errors:
                error = CopyError(
                    f"Operation on target {activity['name']} failed: Activity failed because an inner activity failed; "
                    f"Inner activity name: {copy['name']}, Error: {errors[0]}"
                )
        else:
            raise NotImplementedError(activity["type"])
        if not run.cancelled.is_set():
            self._record(run, activity, {}, {}, error)
        if error is not None:
            raise error

    def _copy(self, run: Run, activity: dict[str, Any], scope: dict[str, Any]) -> CopyError | None:
        """One copy with its attempts; returns the error of the last one."""
        table, error = f"{scope['item']['schema']}.{scope['item']['table']}", None
        query = resolve(activity["typeProperties"]["source"]["query"], scope)
        (output,) = activity["outputs"]
        dataset = self.resources["dataset"][output["referenceName"]]["properties"]
        location = resolve(
            dataset["typeProperties"]["location"], {"dataset": resolve(output.get("parameters", {}), scope)}
        )
        properties = {p["name"]: resolve(p["value"], scope) for p in activity["userProperties"]}
        for _ in range(1 + activity["policy"]["retry"]):
            run.cancelled.wait(self.delays.get(table, 0))
            rows, begun = 0, time.monotonic()
            try:
                if run.cancelled.is_set():
                    return None
                if self.failures.get(table):
                    raise CopyError(self.failures[table].pop(0))
                content, rows = copy_to_parquet(self.dsn, query, run.cancelled)
                self.write(location["folderPath"], location["fileName"], content)
                error = None
            except Cancelled:
                return None
            except CopyError as raised:
                error = raised
            minutes = self.bill_copy(time.monotonic() - begun)
            output = {"rowsRead": rows, "rowsCopied": rows, "filesWritten": 1, "billingReference": billed(minutes)}
            self._record(run, activity, properties, output, error)
            if error is None:
                break
        return error

    def bill_copy(self, seconds: float) -> int:
        """Add a copy to the meter: "prorated by the minute and rounded up"; returns the minutes.

        Source: "Examples for better understanding pricing model under different integration runtime types".
        """
        minutes = max(1, math.ceil(seconds / 60))
        self.copy_minutes += minutes
        return minutes

    @staticmethod
    def _record(run: Run, activity: dict[str, Any], properties: Any, output: Any, error: CopyError | None) -> None:
        fault = {"errorCode": "2200" if error else "", "message": str(error or ""), "target": activity["name"]}
        run.activities.append(
            {
                "activityName": activity["name"],
                "activityType": activity["type"],
                "activityRunId": str(uuid.uuid4()),
                "activityRunStart": now(),
                "activityRunEnd": now(),
                "durationInMs": 1,
                "retryAttempt": None,
                "status": "Failed" if error else "Succeeded",
                "error": {**fault, "failureType": "UserError" if error else "", "details": []},
                "input": {},
                "output": {name: output[name] for name in ("billingReference",) if name in output} if error else output,
                "userProperties": properties,
                "pipelineName": run.document["pipelineName"],
                "pipelineRunId": run.document["runId"],
            }
        )


def billed(minutes: int) -> dict[str, Any]:
    """``billingReference`` in the output of a copy on a self-hosted integration runtime."""
    duration = {"meterType": "SelfhostedIR", "duration": minutes / 60, "unit": "Hours"}
    return {"activityType": "DataMovement", "billableDuration": [duration]}


def now() -> str:
    """The current time in the service's notation."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")
