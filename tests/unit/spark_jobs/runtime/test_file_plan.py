from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from spark_jobs.runtime.file_plan import SMALL_FILES, FileChange, FilePlan, plan_files, rows_in_file

MOST = 100


@st.composite
def changes(draw: st.DrawFn) -> list[FileChange]:
    sizes = draw(st.lists(st.integers(1, 3 * MOST), max_size=20))
    found = []
    for number, rows in enumerate(sizes):
        removed = draw(st.just(0) | st.integers(0, rows))
        found.append(FileChange(f"f{number}", rows, removed, draw(st.integers(0, removed))))
    return found


@given(changes(), st.integers(0, 3 * MOST))
def test_every_affected_file_is_rewritten_once_and_no_row_is_lost(given_changes: list[FileChange], new_rows: int):
    plan = plan_files(given_changes, new_rows, MOST)
    rewritten = [name for group in plan.groups for name in group.files]
    assert len(rewritten) == len(set(rewritten))
    assert {change.name for change in given_changes if change.is_affected} <= set(rewritten)
    assert sum(group.takes_new_rows for group in plan.groups) == (new_rows > 0)
    by_name = {change.name: change for change in given_changes}
    for group in plan.groups:
        assert group.rows == sum(by_name[n].rows_after for n in group.files) + (new_rows if group.takes_new_rows else 0)
        assert group.rows_per_file <= MOST
        assert bool(group.rows_per_file) == bool(group.rows)


@given(changes(), st.integers(0, 3 * MOST))
def test_few_small_files_stay(given_changes: list[FileChange], new_rows: int):
    after = _apply(given_changes, new_rows, plan_files(given_changes, new_rows, MOST))
    rewritten_again = _apply(after, 0, plan_files(after, 0, MOST))
    rows = sum(change.rows for change in rewritten_again)
    assert len(rewritten_again) <= 2 * rows / MOST + SMALL_FILES + 1


def test_unaffected_files_stay():
    files = [FileChange("a", 90), FileChange("b", 90, removed=2, added=1), FileChange("c", 90)]
    plan = plan_files(files, 0, MOST)
    assert [group.files for group in plan.groups] == [("b",)]
    assert plan.reason == "1 of 3 files have changed rows"


def test_new_rows_fill_an_affected_small_file_first():
    files = [FileChange("full", 90, 1), FileChange("smallest", 10), FileChange("affected", 20, 1)]
    groups = plan_files(files, 5, MOST).groups
    assert [(group.files, group.takes_new_rows) for group in groups] == [(("full",), False), (("affected",), True)]


def test_new_rows_that_fit_nowhere_get_files_of_their_own():
    (group,) = plan_files([FileChange("full", 90)], 250, MOST).groups
    assert (group.files, group.rows, group.rows_per_file, group.takes_new_rows) == ((), 250, 84, True)


def test_a_large_file_is_split_evenly():
    (group,) = plan_files([FileChange("large", 1000, removed=10)], 0, MOST).groups
    assert group.rows_per_file == 99


def test_a_file_that_loses_all_rows_has_no_successor():
    (group,) = plan_files([FileChange("a", 5, removed=5)], 0, MOST).groups
    assert (group.rows, group.rows_per_file) == (0, 0)


def test_files_have_about_as_many_rows_as_their_size_allows():
    assert rows_in_file(rows=1_000_000, size=64 * 1024 * 1024) == 250_000
    assert rows_in_file(rows=1_000_000_000, size=1_000_000_000) == 1_000_000
    assert rows_in_file(rows=10, size=10**9) == 1_000
    assert rows_in_file(rows=0, size=0) == 1_000_000


def test_a_year_of_runs_leaves_a_bounded_number_of_files():
    """0.1 % of the rows change in each of 365 runs: new, updated and deleted rows, anywhere."""
    chance = random.Random(1)  # noqa: S311 - not for secrets
    files, most, numbers = [FileChange(f"f{i}", 250) for i in range(40)], 250, iter(range(10**6))
    for _ in range(365):
        changed = {chance.randrange(len(files)) for _ in range(8)}
        before = [
            FileChange(f"g{next(numbers)}", f.rows, removed=min(f.rows, 1), added=chance.randrange(2))
            if i in changed
            else f
            for i, f in enumerate(files)
        ]
        files = _apply(before, 6, plan_files(before, 6, most))
        assert len(files) <= 2 * sum(f.rows for f in files) / most + SMALL_FILES


def _apply(before: list[FileChange], new_rows: int, plan: FilePlan) -> list[FileChange]:
    """The files after a plan was carried out."""
    gone = {name for group in plan.groups for name in group.files}
    after = [change for change in before if change.name not in gone]
    for number, group in enumerate(plan.groups):
        rows = group.rows
        for part in range(-(-rows // group.rows_per_file) if rows else 0):
            size = min(group.rows_per_file, rows - part * group.rows_per_file)
            after.append(FileChange(f"{'+'.join(group.files)}/{number}/{part}", size))
    assert sum(f.rows for f in after) == sum(f.rows_after for f in before) + new_rows
    return after
