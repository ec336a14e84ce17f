"""Parses responses of the Databricks Jobs API 2.2 (``jobs/runs/get``, ``jobs/runs/get-output``)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from midnight.errors import NON_RETRYABLE_MARKER, RELEASABLE_MARKER

TERMINAL = ("TERMINATED", "SKIPPED", "INTERNAL_ERROR")


@dataclass(frozen=True)
class StepState:
    """State of one step (task of the job).

    Args:
        run_id: run id of the task's newest attempt; None before Databricks has created it.
        life_cycle: life cycle state, for example ``RUNNING``.
        result: result state, for example ``SUCCESS``; empty before the end.
        message: state message of Databricks.
        stopping: the run is being cancelled, or is cleaning up after its last step.
    """

    run_id: int | None
    life_cycle: str
    result: str
    message: str
    stopping: bool = False

    @property
    def ended(self) -> bool:
        return self.life_cycle in TERMINAL

    @property
    def succeeded(self) -> bool:
        return self.ended and self.result == "SUCCESS"


def step_state(run: Mapping[str, Any], step: str) -> StepState:
    """The state of a step; the run's own state when the run ended without the step.

    Args:
        run: response of ``jobs/runs/get``.
        step: task key.
    """
    attempts = [task for task in run.get("tasks", []) if task["task_key"] == step]
    # A run that was repaired in the workspace lists every attempt.
    newest = max(attempts, key=lambda task: task.get("attempt_number", 0), default=None)
    state = run["state"]
    if newest is not None and (_ended(newest["state"]) or not _ended(state)):
        state = newest["state"]
    return StepState(
        newest.get("run_id") if newest else None,
        state.get("life_cycle_state", ""),
        state.get("result_state", ""),
        state.get("state_message", ""),
        run["state"].get("life_cycle_state") == "TERMINATING",
    )


def _ended(state: Mapping[str, Any]) -> bool:
    return state.get("life_cycle_state") in TERMINAL


@dataclass(frozen=True)
class JobFailure:
    """The error of a failed job.

    Args:
        message: the last output line ``error: …``, or Databricks' own error; may be empty.
        non_retryable: whether a retry would fail with the same error.
        releasable: what a person may release (``ReleasableError``).
    """

    message: str
    non_retryable: bool
    releasable: tuple[str, ...] = ()


def parse_job_failure(output: Mapping[str, Any]) -> JobFailure:
    """The error in the output of a failed job.

    Args:
        output: response of ``jobs/runs/get-output`` for the task's run.
    """
    lines = [line.strip() for line in str(output.get("logs") or "").splitlines()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    message = errors[-1] if errors else str(output.get("error") or "")
    return JobFailure(message, NON_RETRYABLE_MARKER in lines, parse_releasable(lines))


def parse_releasable(lines: Iterable[str]) -> tuple[str, ...]:
    """What a person may release, of the output lines of a job; empty if nothing."""
    found = [line.removeprefix(RELEASABLE_MARKER) for line in lines if line.startswith(RELEASABLE_MARKER)]
    return tuple(json.loads(found[-1])) if found else ()


# Words of Databricks' messages about a cluster that did not start ("Cluster error codes", TerminationReasonCode).
_CLUSTER_HINTS = {
    "quota": "Azure portal: Quotas, Compute, request more vCPU; or a smaller node type, fewer workers or serverless "
    "compute in the .tfvars file; then clear this task",
    "stockout": "Azure has no machine of this type in the region now: clear this task later, or choose another node "
    "type in the .tfvars file",
    "skunotavailable": "the region does not offer this node type: choose another one in the .tfvars file",
}


def cluster_hint(message: str) -> str:
    """What to do when the cluster of a run did not start; empty where the message is about something else."""
    words = message.lower().replace("_", "")
    return next((hint for word, hint in _CLUSTER_HINTS.items() if word in words), "")
