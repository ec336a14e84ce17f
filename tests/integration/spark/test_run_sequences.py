"""Random sequences of runs: silver and gold equal a whole build after each. `make prove-increments` runs 500."""

from __future__ import annotations

import pytest

from tests.support.run_sequences.sequence import Sequence

# The first nine together have every synthetic model, and the demo with `flights` as a snapshot and as an incremental
# table; the others are small. About 90 seconds of processor time.
SEEDS = (1, 9, 28, 74, 109, 130, 159, 174, 177, 2, 4, 7, 26, 36, 40, 44)
RUNS = 3


@pytest.mark.parametrize("seed", SEEDS)
def test_every_run_equals_a_whole_build(sail_session, tmp_path, seed):
    Sequence(sail_session, tmp_path, seed, runs=RUNS).run()
