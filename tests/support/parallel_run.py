"""A parallel run (`make test`): which tests go to the same process, and which begin.

A module stays in one process, and so do all modules that share a fixture which takes long to make. xdist's own marker
for that (``xdist_group``) has no effect: its 3.8 writes a private attribute that pytest 9.2 no longer reads.
"""

from __future__ import annotations

import os

import pytest
from xdist.scheduler import LoadFileScheduling

# Session fixture -> the modules that use it, in the order in which they run: the kills come last, since they let days
# pass in the source of `home`.
SHARED = {
    "home": (
        "tests/system/test_development_loop.py",
        "tests/system/test_report_page.py",
        "tests/system/test_up.py",
        "tests/system/test_killed_tasks.py",
    ),
    "spark_session": (
        "tests/integration/spark/test_bronze_is_readable.py",
        "tests/integration/spark/test_change_sets.py",
        "tests/integration/spark/test_delta_checkpoints.py",
        "tests/integration/spark/test_delta_files.py",
        "tests/integration/spark/test_engines.py",
        "tests/integration/spark/test_gold_by_engine.py",
        "tests/integration/spark/test_gold_checks.py",
        "tests/integration/spark/test_gold_job_count.py",
        "tests/integration/spark/test_gold_on_both_engines.py",
        "tests/integration/spark/test_increment_job_count.py",
        "tests/integration/spark/test_incremental_history.py",
        "tests/integration/spark/test_ledger_by_engine.py",
        "tests/integration/spark/test_many_columns.py",
        "tests/integration/spark/test_masking.py",
        "tests/integration/spark/test_proof_of_types.py",
        "tests/integration/spark/test_query_counts.py",
        "tests/integration/spark/test_refreshed_gold.py",
        "tests/integration/spark/test_silver_to_gold.py",
        "tests/integration/spark/test_spark_sql_proof.py",
    ),
}
# The longest of the other modules. xdist hands out the next one as soon as a process has no more than two tests left.
LONGEST = (
    "tests/integration/azure/test_nightly_run.py",
    "tests/integration/azure/test_lifecycle.py",
    "tests/integration/spark/test_interruptions.py",
    "tests/integration/spark/test_run_sequences.py",
)
FIXTURE_OF = {module: fixture for fixture, modules in SHARED.items() for module in modules}


class ModuleScheduling(LoadFileScheduling):
    """Hands out whole modules, and those that share a fixture as one.

    The shared fixtures come first in SHARED's order, and so each to another process.
    """

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        return FIXTURE_OF.get(module, module)


def pytest_xdist_make_scheduler(config: pytest.Config, log) -> ModuleScheduling:
    return ModuleScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In a parallel run the slow modules begin, so that none is left over at the end."""
    for item in items:
        module = _module(item)
        for fixture in SHARED:
            if fixture in getattr(item, "fixturenames", ()) and FIXTURE_OF.get(module) != fixture:
                raise pytest.UsageError(f"{module} uses {fixture!r}: add it to SHARED in tests/support/parallel_run.py")
    for modules in SHARED.values():
        _order_modules(items, modules)
    if "PYTEST_XDIST_WORKER" in os.environ:
        places: dict[str, list[int]] = {}
        for item in items:
            module = _module(item)
            places[module] = min(places.get(module, [len(SHARED) + 2]), _place_in_line(item))
        items.sort(key=lambda item: places[_module(item)])


def _order_modules(items: list[pytest.Item], modules: tuple[str, ...]) -> None:
    """Put the items of some modules into the order of the modules; all other items stay where they are."""
    places = [place for place, item in enumerate(items) if _module(item) in modules]
    ordered = sorted((items[place] for place in places), key=lambda item: modules.index(_module(item)))
    for place, item in zip(places, ordered, strict=True):
        items[place] = item


def _place_in_line(item: pytest.Item) -> list[int]:
    """The longest groups and modules begin; then what starts Airflow's services, a Java runtime, or other processes."""
    module = _module(item)
    fixture = FIXTURE_OF.get(module)
    if fixture is not None:
        return [list(SHARED).index(fixture)]
    if module in LONGEST:
        return [len(SHARED), LONGEST.index(module)]
    return [len(SHARED) + 1, *(item.get_closest_marker(marker) is None for marker in ("airflow", "spark", "slow"))]


def _module(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]
