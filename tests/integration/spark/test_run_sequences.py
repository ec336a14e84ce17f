"""Random sequences of runs: silver and gold equal a whole build after each. `make prove-increments` runs 500."""

from __future__ import annotations

import pytest

from tests.support.run_sequences.sequence import Sequence

# The first ten together have every synthetic model, and the demo with `flights` as a snapshot and as an incremental
# table; the others are small, with increments that have a key twice, and runs that end after their ingestion.
SEEDS = (1, 8, 11, 14, 20, 38, 61, 81, 110, 210, 2, 3, 4, 5, 74, 88)
RUNS = 3


@pytest.mark.parametrize("seed", SEEDS)
def test_every_run_equals_a_whole_build(sail_session, tmp_path, seed):
    Sequence(sail_session, tmp_path, seed, runs=RUNS).run()
