"""Random sequences of runs: silver and gold equal a whole build after each. `make prove-increments` runs 500."""

from __future__ import annotations

import pytest

from tests.support.run_sequences.sequence import Sequence

SEQUENCES = 30
RUNS = 3


@pytest.mark.parametrize("seed", range(1, SEQUENCES + 1))
def test_every_run_equals_a_whole_build(sail_session, tmp_path, seed):
    Sequence(sail_session, tmp_path, seed, runs=RUNS).run()
