"""A refresh by keys equals the full build: random models on DuckDB, each construct on Sail."""

from dataclasses import replace
from random import Random

import pytest

from midnight.silver_to_gold.refresh.derive import derive_refresh
from tests.support.random_models import RELATIONS, ModelWriter
from tests.support.refresh_check import DuckDB, Spark, differing_refreshes
from tests.support.refresh_models import BY_KEY, model

MODELS = 100  # half of them are refreshed by keys, each after two random changes


def random_plans(seeds):
    """Random models that are refreshed by keys, with their plans."""
    for seed in seeds:
        shown = ModelWriter(Random(seed)).model()  # noqa: S311 - a test
        plan = derive_refresh(shown, RELATIONS)
        if plan.kind == "key":
            yield seed, shown, plan


def test_random_models():
    engine, models, changing = DuckDB(), 0, 0
    for seed, shown, plan in random_plans(range(MODELS)):
        wrong, found = differing_refreshes(engine, shown, plan, range(1000 + seed * 2, 1002 + seed * 2))
        assert wrong == [], f"model {seed}"
        models, changing = models + 1, changing + found
    assert models > MODELS / 4
    assert changing > MODELS / 8


def test_random_models_find_a_forgotten_input():
    engine = DuckDB()
    for seed, shown, plan in random_plans(range(10_000)):
        if len(plan.affected) > 1:
            forgotten = replace(plan, affected=dict(list(plan.affected.items())[1:]))
            if differing_refreshes(engine, shown, forgotten, range(seed, seed + 10))[0]:
                return
    pytest.fail("no refresh differed")


# Neither Sail nor Apache Spark has QUALIFY, only Databricks.
@pytest.mark.parametrize("name", [name for name in BY_KEY if name != "qualify"])
def test_each_construct_on_sail(sail_session, name):
    shown = model(BY_KEY[name])
    wrong, _ = differing_refreshes(Spark(sail_session), shown, derive_refresh(shown, RELATIONS), range(2))
    assert wrong == []


def test_random_models_on_sail(sail_session):
    models = ((seed, shown, plan) for seed, shown, plan in random_plans(range(12)) if "QUALIFY" not in shown.sql)
    for seed, shown, plan in models:
        assert differing_refreshes(Spark(sail_session), shown, plan, range(seed, seed + 1))[0] == []
