"""Seeded faults in a large table of silver and of gold: each is found, with its key (`make prove-values`)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from midnight.lake.paths import LakePaths
from midnight.reconciliation.differences import Subject
from midnight.reconciliation.digest_states import read_states
from midnight.reconciliation.read_back import compare_with
from midnight.reconciliation.record import describe_differences
from midnight.reconciliation.row_sources import FileRows, read_state, rows_at_version
from midnight.silver_to_gold.builds import newest_build
from spark_jobs.gold.run import build_gold
from spark_jobs.silver.run import build_silver
from tests.support.proved_tables import DETAIL, run
from tests.support.written_faults import FAULTS, damage

SEEDS = int(os.environ.get("MIDNIGHT_FAULT_SEEDS", "10"))
ROWS = int(os.environ.get("MIDNIGHT_FAULT_ROWS", "5000"))


@pytest.fixture(scope="module")
def proved(sail_session, tmp_path_factory):
    """A lake after one run of both jobs: layer -> path of the table and what it should contain."""
    lake = LakePaths.below(str(tmp_path_factory.mktemp("campaign") / "lake"))
    build_silver(sail_session, run(lake, 1, ROWS))
    build_gold(sail_session, run(lake, 1, ROWS))
    build = newest_build(lake.gold_builds)
    assert build is not None
    return {
        "silver": (lake.silver_table("items"), read_states(lake.silver_digests)["items"]),
        "gold": (build.model_path(lake, DETAIL.name), read_states(lake.gold_digests)[DETAIL.name]),
    }


@pytest.mark.timeout(0)
@pytest.mark.parametrize("layer", ["silver", "gold"])
def test_every_seeded_fault_is_found_with_its_key(proved, layer):
    path, state = proved[layer]
    subject = Subject("written = read back", layer, state.plan)
    equal, _ = compare_with(subject, state.sums, None, FileRows(read_state(path).files), "")
    assert equal.status == "equal"
    found = []
    for seed in range(SEEDS):
        before = read_state(path)
        key, columns = damage(path, FAULTS[seed % len(FAULTS)], seed)
        after = read_state(path)
        expected = rows_at_version(path, state.version)
        record, _ = compare_with(subject, state.sums, expected, FileRows(after.files), "")
        text = describe_differences([record])
        found.append(f"id = '{key}'" in text and all(f"column {name!r}" in text for name in columns))
        for file in after.without(before):
            Path(file).unlink()
        Path(path, "_delta_log", f"{after.version:020}.json").unlink()
    print(f"\n{layer}: {sum(found)} of {SEEDS} faults found with their key in {ROWS:,} rows")
    assert all(found), [seed for seed, named in enumerate(found) if not named]
