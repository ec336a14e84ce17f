"""A stage of a run that a child process is to run, and what it reports."""

from __future__ import annotations

from dataclasses import dataclass, field

from midnight.settings import Settings
from tests.support.interruptions.moments import Action

SKIPPED = "skipped: superseded"


@dataclass(frozen=True)
class Task:
    """A stage of a run.

    Args:
        stage: one of ``STAGES``.
        settings: of the instance.
        dsn: of the source.
        batch_id: of the run, which also is its run id.
        full_reload: the run's parameter.
        action, at, limit, only: see ``Moments``.
        wait_seconds: seconds that sessions wait for a lock or a silent server.
        role_timeouts: the timeouts of the role count, as behind a pool in transaction mode.
        large: the jobs treat each table as a large one.
        range_pages: of the smallest range in which a table is read.
        cut_copy: the copy of Data Factory, counted from 1, that fails with half of its file written; 0: none.
    """

    stage: str
    settings: Settings
    dsn: str
    batch_id: str
    full_reload: bool = False
    action: Action = ""
    at: int = 0
    limit: int = 0
    only: str = ""
    wait_seconds: float = 5.0
    role_timeouts: bool = False
    large: bool = False
    range_pages: int = 6
    cut_copy: int = 0


@dataclass
class Result:
    """What a stage reports.

    Args:
        error: its message; empty when it succeeded.
        expected: the error is one of Midnight's own, not a traceback.
        events: number of its events (``Moments``).
        happened: the event at which something was to happen was reached.
        lines: of its log.
    """

    error: str = ""
    expected: bool = True
    events: int = 0
    happened: bool = False
    lines: list[str] = field(default_factory=list)
