"""Learnt expectations against simulated histories: 60 runs per group of tables, and seeded incidents in one of them.

``make prove-expectations`` prints the table of docs/expectations.md.
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from midnight.bronze.batch_id import make_batch_id
from midnight.configuration.expectations import Expectations
from midnight.expectations.find import evaluate
from midnight.expectations.history import read_figures
from midnight.lake.column_figures import ColumnFigures
from midnight.summary.document import Anomaly

RUNS = 60
FIRST_RUN = 14
TABLES = 3  # of a group
MIDNIGHT = datetime(2026, 1, 5, 5, tzinfo=UTC)  # a Monday, midnight in New York
SETTINGS = Expectations(learnt="warn")


@dataclass(frozen=True)
class Run:
    """What one run did to one table."""

    rows: int
    inserted: int
    updated: int
    deleted: int
    quarantined: int
    warnings: int
    nulls: int
    categories: int
    seconds: float
    bytes_per_row: float = 120.0

    @property
    def rows_in(self) -> int:
        return max(0, self.inserted + self.updated + self.quarantined)


@dataclass(frozen=True)
class Group:
    """How the tables of a group behave.

    Args:
        name: for the printed table.
        rows: at the beginning; ``new`` rows, ``updated`` and ``deleted`` rows of a usual run.
        scatter: standard deviation of the logarithm of these flows.
        volume: day -> factor of the flows on that day.
        bursts: probability of a run with five times as many new rows.
        growth: of the flows per day.
    """

    name: str
    rows: int
    new: float
    updated: float
    deleted: float
    scatter: float = 0.12
    volume: Callable[[datetime, np.random.Generator], float] = field(default=lambda day, random: 1.0)
    bursts: float = 0.0
    growth: float = 0.0


def _weekly(day: datetime, random: np.random.Generator) -> float:
    return 0.25 if day.weekday() >= 5 else 1.0


def _month_end(day: datetime, random: np.random.Generator) -> float:
    return 4.0 if (day + timedelta(days=1)).day == 1 else 1.0


def _holidays(day: datetime, random: np.random.Generator) -> float:
    return 0.0 if day.timetuple().tm_yday in (6, 19, 33, 47) else 1.0


GROUPS = (
    Group("steady", 50_000, 900, 300, 20),
    Group("weekly pattern", 80_000, 2_000, 700, 30, volume=_weekly),
    Group("growth", 20_000, 500, 200, 0, growth=0.02),
    Group("month-end", 60_000, 1_000, 400, 0, volume=_month_end),
    Group("batch holidays", 40_000, 1_200, 300, 0, volume=_holidays),
    Group("bursts", 100_000, 400, 2_000, 0, bursts=0.08),
    Group("small tables", 40, 1, 2, 0.5, scatter=0.3),
    Group("reference data", 3_000, 0, 0, 0),
)


def simulate(group: Group, seed: int, runs: int = RUNS) -> list[Run]:
    """The runs of one table."""
    random = np.random.default_rng([zlib.crc32(group.name.encode()), seed])
    rows, nulls, found = group.rows, round(0.02 * group.rows), []
    rejected, warned = random.uniform(0.002, 0.006), random.uniform(0.01, 0.05)
    for number in range(runs):
        day = MIDNIGHT + timedelta(days=number)
        factor = group.volume(day, random) * (1 + group.growth) ** number
        scatter = random.normal(0, group.scatter, 3)
        burst = 5.0 if random.random() < group.bursts else 1.0
        new = random.poisson(group.new * factor * burst * np.exp(scatter[0]))
        updated = min(rows, random.poisson(group.updated * factor * np.exp(scatter[1])))
        deleted = min(rows, random.poisson(group.deleted * factor * np.exp(scatter[2])))
        nulls = max(0, nulls + random.binomial(new, 0.02) - random.binomial(deleted, 0.02))
        rows += new - deleted
        read = new + updated
        run = Run(
            rows=int(rows),
            inserted=int(new),
            updated=int(updated),
            deleted=int(deleted),
            quarantined=int(random.binomial(read, rejected)),
            warnings=int(random.binomial(read, warned)),
            nulls=int(nulls),
            categories=6,
            seconds=float((4 + read / 2_000) * np.exp(random.normal(0, 0.25))),
        )
        found.append(run)
    return found


Incident = Callable[[Run, Run], Run]  # the run as it was, and the run before -> the run with the incident


def _drop(share: float) -> Incident:
    def change(run: Run, before: Run) -> Run:
        gone = round(share * run.rows)
        return replace(run, rows=run.rows - gone, deleted=run.deleted + gone, nulls=round(run.nulls * (1 - share)))

    return change


def _insert(factor: float) -> Incident:
    def change(run: Run, before: Run) -> Run:
        new = round(factor * run.inserted)
        return replace(run, inserted=new, rows=run.rows + new - run.inserted)

    return change


BUSY = frozenset({"steady", "weekly pattern", "growth", "month-end", "batch holidays"})
READING = BUSY | {"bursts"}
ALL = READING | {"small tables", "reference data"}
LARGE = ALL - {"small tables"}
INCIDENTS: dict[str, tuple[Incident, frozenset[str]]] = {
    "rows dropped by a third": (_drop(0.33), ALL),
    "a tenth of the rows deleted": (_drop(0.1), LARGE),
    "table emptied": (_drop(1.0), ALL),
    "table loaded twice": (lambda run, b: replace(run, rows=2 * run.rows, inserted=run.inserted + run.rows), ALL),
    "no new rows": (_insert(0), BUSY - {"batch holidays"}),
    "two thirds of the new rows missing": (_insert(0.33), BUSY),
    "new rows tripled": (_insert(3), BUSY),
    "every row updated": (lambda run, b: replace(run, updated=run.rows), LARGE),
    "a fifth of the rows updated": (lambda run, b: replace(run, updated=round(0.2 * run.rows)), LARGE),
    "no row updated": (lambda run, b: replace(run, updated=0), BUSY - {"batch holidays"}),
    "2 % more rows in quarantine": (
        lambda run, b: replace(run, quarantined=run.quarantined + round(0.02 * run.rows_in)),
        READING,
    ),
    "a third of the rows in quarantine": (
        lambda run, b: replace(run, quarantined=max(15, round(0.5 * run.rows_in))),
        READING | {"small tables"},
    ),
    "a third of the rows with warnings": (lambda run, b: replace(run, warnings=round(0.33 * run.rows_in)), READING),
    "a column became null": (lambda run, b: replace(run, nulls=run.rows), ALL),
    "5 % more nulls": (lambda run, b: replace(run, nulls=run.nulls + round(0.05 * run.rows)), LARGE),
    "a category is missing": (lambda run, b: replace(run, categories=run.categories - 1), BUSY),
    "three times as many categories": (lambda run, b: replace(run, categories=3 * run.categories), BUSY),
    "one value in all rows": (lambda run, b: replace(run, categories=1), BUSY),
    "the write takes 20 times as long": (lambda run, b: replace(run, seconds=20 * run.seconds + 60), READING),
    "files ten times as large": (lambda run, b: replace(run, bytes_per_row=10 * run.bytes_per_row), READING),
}


def ledger(tables: Mapping[str, Sequence[Run]]) -> pa.Table:
    """The ledger of some tables, whose runs are of the same days."""
    rows = []
    for name, runs in tables.items():
        for number, run in enumerate(runs):
            due = MIDNIGHT + timedelta(days=number)
            run_id = f"scheduled__{due.isoformat()}"
            written = run.inserted + run.updated
            figures = ColumnFigures({"b": run.nulls}, {"c": run.categories} if written else {})
            rows.append(
                {
                    "run_id": run_id,
                    "batch_id": make_batch_id(due, run_id),
                    "attempt_at": due + timedelta(minutes=5),
                    "table": name,
                    "status": "applied",
                    "rows_in": run.rows_in,
                    "silver_after": run.rows,
                    "quarantined": run.quarantined,
                    "warnings": run.warnings,
                    "inserted": run.inserted,
                    "updated": run.updated,
                    "deleted": run.deleted,
                    "milliseconds": round(1000 * run.seconds) if written else 0,
                    "bytes_in": round(run.bytes_per_row * run.rows_in),
                    "column_figures": str(figures),
                }
            )
    return pa.Table.from_pylist(rows)


def evaluate_last(tables: dict[str, Sequence[Run]]) -> tuple[Anomaly, ...]:
    """The anomalies of the last run of the tables."""
    return evaluate_run(ledger(tables), len(next(iter(tables.values()))) - 1, tables)


def evaluate_run(rows: pa.Table, number: int, tables: Iterable[str]) -> tuple[Anomaly, ...]:
    """The anomalies of one run of a ledger, in which later runs do not count."""
    run_id = f"scheduled__{(MIDNIGHT + timedelta(days=number)).isoformat()}"
    figures = read_figures(rows, run_id, "America/New_York")
    return () if figures is None else evaluate(figures, dict.fromkeys(tables, SETTINGS))


def false_alarms(group: Group, seed: int, tables: int = TABLES, every: int = 1) -> list[tuple[int, Anomaly]]:
    """The alarms of a group without incidents, each with the number of its run; of one run of ``every``."""
    histories = {f"t{i}": simulate(group, 1000 * seed + i) for i in range(tables)}
    rows = ledger(histories)
    return [
        (number, each) for number in range(FIRST_RUN, RUNS, every) for each in evaluate_run(rows, number, histories)
    ]


def cases(seed: int) -> Iterator[tuple[str, str, bool]]:
    """Incident, group, and whether it was found: each incident once in each group that it can happen to."""
    for title, (incident, groups) in INCIDENTS.items():
        for group in GROUPS:
            if group.name in groups:
                random = np.random.default_rng([seed, zlib.crc32(f"{title} {group.name}".encode())])
                runs = simulate(group, 7_000 + int(random.integers(1_000_000)))
                days = [i for i in range(35, RUNS) if runs[i].rows_in or not group.new]  # not a day without a batch
                position = int(random.choice(days))
                changed = [*runs[:position], incident(runs[position], runs[position - 1])]
                yield title, group.name, bool(evaluate_last({"t": changed}))


def report(seeds: int) -> str:
    """The tables of docs/expectations.md."""
    lines = ["| incident | cases | found |", "|---|---|---|"]
    counts: dict[str, list[bool]] = {title: [] for title in INCIDENTS}
    missed: dict[tuple[str, str], int] = {}
    for seed in range(seeds):
        for title, name, found in cases(seed):
            counts[title].append(found)
            if not found:
                missed[title, name] = missed.get((title, name), 0) + 1
    lines += [f"| {title} | {len(found)} | {100 * np.mean(found):.0f} % |" for title, found in counts.items()]
    every = [found for each in counts.values() for found in each]
    lines += [f"| **all** | {len(every)} | **{100 * np.mean(every):.1f} %** |", ""]
    lines += [f"| group of {TABLES} tables | histories of {RUNS} runs | false alarms per history, mean | most |"]
    lines += ["|---|---|---|---|"]
    for group in GROUPS:
        alarms = [len(false_alarms(group, seed)) for seed in range(seeds)]
        lines.append(f"| {group.name} | {seeds} | {np.mean(alarms):.2f} | {max(alarms)} |")
    lines += ["", *(f"missed {number} x {title} ({name})" for (title, name), number in missed.items())]
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=20)
    print(report(parser.parse_args().seeds))
