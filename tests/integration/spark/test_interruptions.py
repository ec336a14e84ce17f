"""Most kinds of faults, at a random moment: silver and the views equal the source after the next run.

`make prove-interruptions` runs 300 in all modes.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.interruptions.campaign import ALL_FAULTS, each_kind, run_world
from tests.support.interruptions.child import stop_fork_server
from tests.support.interruptions.modes import MODES, Mode
from tests.support.interruptions.servers import Servers

# The moments are random: a stage may end before the fault, four times.
MOST_WITHOUT_EFFECT = 1
# They wait for long, and other tests have them: of connections, of two runs, and the two other stops of the server.
LEFT_OUT = ("connection silent", "two runs at once", "server restart (fast)")
PLANNED = {
    mode: [(seed, case) for seed, case in planned if case.fault.name not in LEFT_OUT]
    for mode, planned in each_kind([mode for mode in MODES if mode.name in ("xmin", "soft", "adf keys")]).items()
}
BY_MODE = pytest.mark.parametrize("mode", [m for m in MODES if m.name in PLANNED], ids=lambda mode: mode.name)


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with Servers().running() as running:
        yield running
    stop_fork_server()


@pytest.mark.slow
@BY_MODE
def test_silver_equals_the_source_after_each_fault(servers: Servers, tmp_path, mode: Mode) -> None:
    trials = list(run_world(servers, tmp_path / "world", mode, PLANNED[mode.name]))
    assert [f"{t.case.fault.name}, {t.case.stage}: {t.problem}" for t in trials if t.problem] == []
    without = [f"{t.case.fault.name}, {t.case.stage}" for t in trials if not t.effect]
    assert len(without) <= MOST_WITHOUT_EFFECT, without
    assert len(trials) == len(PLANNED[mode.name])


def test_most_kinds_of_faults_are_injected() -> None:
    assert sum(map(len, PLANNED.values())) == 22
    assert len(ALL_FAULTS) == 25
