"""How the next read finds the rows that were committed after the snapshot before it, with an earlier cursor value.

By *visibility* every row is read that the snapshot before may not have shown, whatever fills the cursor: exact, and the
server looks at every row. By the *horizon* the cursor starts before the oldest transaction that was open then, which an
index on the cursor can use: exact for values that the server takes from its clock inside the transaction. Where it is
not known when that transaction began, rows are found by visibility after all; what is not a heap (views, foreign
tables) has nothing but ``cursor_lag`` then, and a warning.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from midnight.bronze.horizon import Horizon, newer_condition
from midnight.bronze.manifest import Manifest
from midnight.configuration.tables import Table

# A transaction takes its time when its first statement arrives, a moment before others can see that it is open.
_START_MARGIN_SECONDS = 60
_SECONDS_PER_DAY = 86_400


@dataclass(frozen=True)
class LateCommits:
    """Which rows an increment reads besides those after its cursor value.

    Args:
        before, now: horizons of the batch before and of the snapshot that is read, if rows are found by visibility.
        further_back: by how much the cursor starts earlier than ``cursor_lag`` says, in the lag's unit.
        full_read_reason: why only a full snapshot misses nothing; empty if an increment does.
        warning: what may be missed; empty if nothing.
    """

    before: Horizon | None = None
    now: Horizon | None = None
    further_back: int = 0
    full_read_reason: str = ""
    warning: str = ""

    @property
    def since_transaction(self) -> int | None:
        """Rows that this transaction or a later one wrote are read; None if rows are not found by visibility."""
        return None if self.before is None else self.before.xmin

    def condition(self, prefix: str = "") -> str:
        """The SQL condition on these rows; empty if the cursor alone decides.

        Args:
            prefix: alias of the table in the query, with its dot.
        """
        if self.before is None or self.now is None:
            return ""
        return newer_condition(self.before, self.now, prefix)

    @property
    def rows(self) -> list[str]:
        """These rows in words, for the log; empty if the cursor alone decides."""
        return [] if self.before is None else [f"those that transaction {self.before.xmin} or a later one wrote"]


CURSOR_ALONE = LateCommits()


def plan_late_commits(table: Table, newest: Manifest, now: Horizon | None, *, by_cursor: bool = True) -> LateCommits:
    """Decide how late commits are found.

    Args:
        table: an incremental one.
        newest: the batch that an increment would continue.
        now: the horizon of the snapshot that is read; None without a snapshot (Data Factory).
        by_cursor: an increment can start at the cursor value that ``newest`` has reached; otherwise it reads by
            visibility alone, or a full snapshot is needed.
    """
    before = newest.horizon
    if before is None:
        return _by_cursor(table, f"batch {newest.batch_id} was not read in a snapshot", by_cursor=by_cursor)
    other = before.other_place(now) if now is not None else ""
    if other:
        return LateCommits(full_read_reason=f"{other}, so that an increment could miss rows")
    why = "this batch is not read in a snapshot" if now is None else "the role cannot see which transaction wrote a row"
    by_horizon = _by_horizon(table, newest, before) if by_cursor else _by_cursor(table, why, by_cursor=False)
    has_xmin = now is not None and now.relation is not None and now.relation.has_xmin
    exact = table.late_commits == "horizon" and not (by_horizon.warning or by_horizon.full_read_reason)
    if now is None or not has_xmin or exact:
        return by_horizon
    if before.too_far_back(now):
        begun = now.xmax - before.xmin
        return LateCommits(full_read_reason=f"{begun:,} transactions began since batch {newest.batch_id}")
    return LateCommits(before, now)


def _by_cursor(table: Table, reason: str, *, by_cursor: bool) -> LateCommits:
    """The lag alone, or a full snapshot."""
    return LateCommits(warning=_lag_warning(table, reason)) if by_cursor else LateCommits(full_read_reason=reason)


def _by_horizon(table: Table, newest: Manifest, before: Horizon) -> LateCommits:
    kind = table.cursor_kind
    if kind == "number" or kind is None:
        return LateCommits(warning=_lag_warning(table, "its cursor is a number"))
    if before.batch_id != newest.batch_id:
        return LateCommits(warning=_lag_warning(table, f"batch {newest.batch_id} was not read in a snapshot"))
    if before.oldest_age is None:
        why = "a standby does not know when transactions began; hint: read from the primary"
        if not before.in_recovery:
            why = (
                "the role does not see when other transactions began; hint: GRANT pg_read_all_stats TO the role that "
                "reads"
            )
        return LateCommits(warning=_lag_warning(table, why))
    return LateCommits(further_back=_further_back(table, before.oldest_age))


def _further_back(table: Table, age: float) -> int:
    """In days for a date, which may be the one of another time zone, else in seconds."""
    lag = table.effective_cursor_lag
    if table.cursor_kind == "date":
        return math.ceil(age / _SECONDS_PER_DAY) + (0 if lag else 1)
    return math.ceil(age) + max(0, _START_MARGIN_SECONDS - lag)


def _lag_warning(table: Table, reason: str) -> str:
    unit = {"number": "", "date": " days"}.get(table.cursor_kind or "", " seconds")
    return (
        f"{table.qualified_name}: a row that is committed more than cursor_lag ({table.effective_cursor_lag}{unit}) "
        f"after its {table.cursor!r} may be missed until the next full snapshot: {reason}"
    )


def long_transaction_warning(table: Table, horizon: Horizon | None) -> str:
    """That a transaction had been open for longer than the table's ``cursor_lag``; empty if none was.

    Args:
        table: the configuration.
        horizon: of the snapshot that was read.
    """
    age = None if horizon is None else horizon.oldest_age
    if table.mode == "snapshot" or table.cursor_kind in (None, "number") or age is None or horizon is None:
        return ""
    lag = table.effective_cursor_lag * (_SECONDS_PER_DAY if table.cursor_kind == "date" else 1)
    if age <= lag + 1:
        return ""
    return (
        f"a transaction is open since {horizon.oldest_start:%Y-%m-%d %H:%M:%S} UTC, longer than cursor_lag of "
        f"{table.qualified_name} ({table.effective_cursor_lag}); hint: end it, or set a longer cursor_lag"
    )
