"""Runs groups of tables side by side: each after the groups that it references."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from graphlib import TopologicalSorter
from typing import TypeVar

from midnight.bronze_to_silver.table_order import referenced_tables
from midnight.configuration.tables import Table

Result = TypeVar("Result")


def run_groups(
    groups: Sequence[Sequence[Table]], work: Callable[[int], Result], *, at_once: int
) -> Generator[Result, None, None]:
    """Do the work of each group, in threads; the results come in the order in which the groups end.

    Args:
        groups: from ``group_by_references``.
        work: called with the number of a group; must be safe to be called by several threads.
        at_once: how many groups run at the same time.

    Raises:
        Exception: the first one that ``work`` raised. No other group is started after it; those that run are awaited,
            and their results come before.
    """
    order = TopologicalSorter(_references(groups))
    order.prepare()
    running: dict[Future[Result], int] = {}
    error: BaseException | None = None
    pool = ThreadPoolExecutor(at_once, thread_name_prefix="midnight-table")
    try:
        while running or (error is None and order.is_active()):
            if error is None:
                running |= {pool.submit(work, number): number for number in order.get_ready()}
            ended, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                order.done(running.pop(future))
                if future.cancelled():
                    continue
                if future.exception() is None:
                    yield future.result()
                elif error is None:
                    error = future.exception()
                    for other in running:
                        other.cancel()
    finally:
        pool.shutdown(cancel_futures=True)
    if error is not None:
        raise error


def _references(groups: Sequence[Sequence[Table]]) -> dict[int, set[int]]:
    numbers = {table.silver: number for number, group in enumerate(groups) for table in group}
    found: dict[int, set[int]] = {}
    for number, group in enumerate(groups):
        names = [name for table in group for name in referenced_tables(table)]
        found[number] = {numbers[name] for name in names if name in numbers} - {number}
    return found
