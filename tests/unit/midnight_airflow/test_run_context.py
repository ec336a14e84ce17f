"""What the operators read from Airflow's context."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from midnight.bronze.batch_id import make_batch_id
from midnight.errors import ConfigurationError
from midnight_airflow.run_context import (
    attempt_token,
    batch_id,
    check_parameters,
    first_try_number,
    previous_attempts,
    selected_tables,
)

OPERATOR = SimpleNamespace(task_id="silver.bronze_to_silver", retries=2)


def test_a_run_without_a_logical_date_has_a_batch(dag_run):
    context = dag_run.try_task(OPERATOR)
    assert context["dag_run"].logical_date is None
    assert batch_id(context) == make_batch_id(datetime(2026, 1, 2, tzinfo=UTC), "manual__1")


def test_the_batch_id_of_a_scheduled_run_begins_with_its_logical_date(dag_run):
    context = dag_run.try_task(OPERATOR)
    context["dag_run"].logical_date = datetime(2026, 1, 1, tzinfo=UTC)
    assert batch_id(context).startswith("20260101T000000000Z-")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([], []),
        (None, []),
        ("", []),
        (["public.flights", " public.planes "], ["public.flights", "public.planes"]),
        ("public.flights, public.planes", ["public.flights", "public.planes"]),
    ],
)
def test_selected_tables(value, expected):
    assert selected_tables(value) == expected


def test_an_unknown_key_in_a_runs_configuration_is_refused(dag_run):
    context = dag_run.try_task(OPERATOR, conf={"tabels": ["public.flights"], "full_reload": True})
    with pytest.raises(ConfigurationError) as raised:
        check_parameters(context)
    assert str(raised.value) == (
        "1 configuration problem:\n  run: tabels: is not a parameter of this DAG; hint: trigger it again with "
        "parameters of ['full_reload', 'ingest_with', 'tables'] only"
    )


@pytest.mark.parametrize("conf", [None, {}, {"tables": []}, {"airflow/task_span_detail_level": 2}])
def test_known_keys_are_accepted(dag_run, conf):
    check_parameters(dag_run.try_task(OPERATOR, conf=conf))


def test_a_clear_resets_the_number_of_previous_attempts(dag_run):
    seen = []
    for cleared in (False, False, False, True, False, True):
        context = dag_run.try_task(OPERATOR, cleared=cleared)
        seen.append((context["ti"].try_number, first_try_number(context), previous_attempts(context)))
    assert seen == [(1, 1, 0), (2, 1, 1), (3, 1, 2), (4, 4, 0), (5, 4, 1), (6, 6, 0)]


def test_tokens(dag_run):
    tries = [dag_run.try_task(OPERATOR, cleared=cleared) for cleared in (False, False, True)]
    first, retry, cleared = (attempt_token(context, 0) for context in tries)

    assert first == retry != cleared
    assert attempt_token(tries[0], 1) != first
    assert len(first) <= 64, "the longest that Databricks accepts"
