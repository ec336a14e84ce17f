"""Reads the answers of the Databricks Jobs API 2.2 about a run (``jobs/runs/get``, ``jobs/runs/get-output``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from midnight.errors import NON_RETRYABLE_MARKER

TERMINAL = ("TERMINATED", "SKIPPED", "INTERNAL_ERROR")


@dataclass(frozen=True)
class StepState:
    """How one step (task of the job) stands.

    Args:
        run_id: of the task's newest attempt; None while Databricks has not made it.
        life_cycle: for example ``RUNNING``.
        result: for example ``SUCCESS``; empty before the end.
        message: Databricks' explanation.
        stopping: the run is being cancelled, or cleans up after its last step.
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
    """The state of the step in a run; the run's own state where the run ended without the step.

    Args:
        run: answer of ``jobs/runs/get``.
        step: task key.
    """
    attempts = [task for task in run.get("tasks", []) if task["task_key"] == step]
    # A run repaired by hand in the workspace lists every attempt.
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
    """What a failed job said at its end.

    Args:
        sentence: its last line ``error: …``, else Databricks' own error; may be empty.
        final: non-retryable error.
    """

    message: str
    non_retryable: bool


def parse_job_failure(output: Mapping[str, Any]) -> JobFailure:
    """What a failed job said at its end.

    Args:
        output: answer of ``jobs/runs/get-output`` for the task's run.
    """
    lines = [line.strip() for line in str(output.get("logs") or "").splitlines()]
    said = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return JobFailure(said[-1] if said else str(output.get("error") or ""), NON_RETRYABLE_MARKER in lines)
