"""Facts from the services' documented answers, their prices, their division among tables, and the budget."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from pydantic import ValidationError

from midnight.configuration.budget import Budget
from midnight.configuration.pipeline import Pipeline
from midnight.configuration.prices import load_prices
from midnight.cost.budget import check_budget, exceeded_budget
from midnight.cost.facts import (
    CostFact,
    billed_mb,
    data_factory_facts,
    databricks_facts,
    key_vault_facts,
    scan_facts,
    storage_facts,
)
from midnight.cost.storage import read_facts, write_facts
from midnight.cost.summary import COST_COLUMNS, allocate, cost_of_tables, cost_rows, summarise
from midnight.errors import BudgetError, ConfigurationError
from midnight.lake.files import open_local_lake
from midnight.lake.paths import LakePaths
from midnight.run.costs import cost_of_run, exceeded_by_runs
from midnight.settings import REPOSITORY
from midnight.summary.document import ModelSummary, RunFigures, RunSummary
from midnight.summary.storage import write_summary

PRICES = load_prices(REPOSITORY / "include")
NOW = datetime(2026, 3, 31, 23, 30, tzinfo=UTC)


def figures(number, cost, due=NOW):
    return RunFigures(run_id=f"r{number}", batch_id=f"b{number}", due=due, state="published", cost=cost)


def task(key, **durations):
    return {"task_key": key, "job_cluster_key": "midnight"} | {f"{n}_duration": ms for n, ms in durations.items()}


def test_a_step_is_billed_for_its_machines_from_set_up_to_clean_up():
    run = {
        "job_clusters": [{"job_cluster_key": "midnight", "new_cluster": {"autoscale": {"max_workers": 2}}}],
        "tasks": [
            task("bronze_to_silver", setup=240_000, execution=600_000),
            task("silver_to_gold", execution=60_000, cleanup=30_000),
            task("silver_to_gold", execution=30_000),  # a repair of the run
        ],
    }
    silver, units = databricks_facts(run, "bronze_to_silver", PRICES.prices)
    assert (silver.meter, silver.quantity, silver.stage) == ("machine_hour", Decimal("0.7"), "bronze_to_silver")
    assert (units.meter, units.quantity) == ("dbu", Decimal("0.7"))
    gold = databricks_facts(run, "silver_to_gold")[0]
    assert (gold.quantity, gold.text) == (Decimal("0.1"), "silver_to_gold: 120 s of 3 machines")
    assert databricks_facts({"tasks": [task("bronze_to_silver")]}, "bronze_to_silver") == []


def test_every_activity_run_counts_and_a_copy_has_its_billing_reference():
    def copy(status, *billed):
        output = {"billingReference": {"activityType": "DataMovement", "billableDuration": list(billed)}}
        return {"activityName": "Copy", "status": status, "output": output, "userProperties": {"Table": "public.f"}}

    hours = {"meterType": "SelfhostedIR", "duration": 0.016666666666666666, "unit": "Hours"}
    units = {"meterType": "AzureIR", "duration": 0.06666666666666667, "unit": "DIUHours"}
    activities = [{"activityName": "Each", "status": "Succeeded"}, copy("Failed"), copy("Succeeded", hours, units)]
    facts = data_factory_facts(activities, {"public.f": "flights"})
    assert [(f.meter, round(f.quantity, 4), f.table) for f in facts] == [
        ("activity_runs", 1, ""),
        ("activity_runs", 1, "flights"),
        ("activity_runs", 1, "flights"),
        ("copy_hour", Decimal("0.0167"), "flights"),
        ("diu_hour", Decimal("0.0667"), "flights"),
    ]


def test_a_query_is_billed_at_least_ten_megabytes():
    assert [billed_mb(size) for size in (0, 10 * 2**20, 10 * 2**20 + 1, 2**40)] == [10, 10, 11, 2**20]


def test_the_amounts_are_facts_times_prices():
    facts = [
        *scan_facts(2**20, "one TB"),
        *key_vault_facts(20_000),
        *storage_facts({"flights": 2**30}, hours=730, writes=10_000),
    ]
    cost = summarise(facts, PRICES, Budget(per_run=7))
    assert [(item.part, round(item.amount, 9)) for item in cost.items] == [
        ("synapse", 5.0),
        ("key_vault", 0.06),
        ("storage", 0.02),
        ("storage", 0.07),
    ]
    assert (round(cost.total, 9), cost.currency, cost.prices_of, cost.budget) == (5.15, "USD", "2026-11-29", 7)
    assert list(cost_of_tables(cost)) == ["", "flights"]
    rows = cost_rows([(figures(1, 5.15), cost)])
    assert all(list(row) == list(COST_COLUMNS) for row in rows)
    assert sum(row["amount"] for row in rows) == pytest.approx(cost.total)


def test_tables_share_a_stage_by_their_seconds_and_nothing_is_lost():
    fact = CostFact(part="databricks", meter="dbu", quantity=Decimal(1), text="x", stage="bronze_to_silver")
    whole = key_vault_facts(3)[0]
    shared = allocate([fact, whole], {"bronze_to_silver": {"a": 1.0, "b": 2.0, "c": 0.0}})
    assert [each.table for each in shared] == ["a", "b", ""]
    assert sum(each.quantity for each in shared[:2]) == 1
    assert round(shared[0].quantity, 3) == Decimal("0.333")
    assert allocate([fact], {}) == [fact]


def test_a_local_run_counts_and_costs_nothing(tmp_path):
    paths, files = LakePaths.below(str(tmp_path)), open_local_lake()
    pipeline = Pipeline.model_validate({"source": {"name": "shop"}})
    common = {"pipeline": pipeline, "prices": PRICES, "entries": [], "figures": figures(1, None)}
    models = [ModelSummary(name="m", description="", rows=1, built="whole", seconds=2.5)]
    cost = cost_of_run(paths, files, models=models, **common)
    assert [(item.part, item.quantity, item.amount, item.table) for item in cost.items] == [("local", 2.5, 0, "m")]
    write_facts(files, paths, "b1", "silver.bronze_to_silver.1", databricks_of(1))
    write_facts(files, paths, "b1", "silver.bronze_to_silver.2", databricks_of(1))  # another try is billed as well
    assert len(read_facts(files, paths, "b1")) == 4
    assert cost_of_run(paths, files, models=models, **common).total == pytest.approx(2 * (0.27 + 0.30))


def databricks_of(hours):
    run = {"tasks": [task("bronze_to_silver", execution=3_600_000 * hours)]}
    return databricks_facts(run, "bronze_to_silver", PRICES.prices)


def test_a_budget_stops_the_next_run_of_the_month(tmp_path):
    """23:30 UTC of 31 March is April in Berlin."""
    runs = [figures(i, 4.0, NOW - timedelta(days=i)) for i in (3, 2, 1)]
    budget = Budget(per_run=3, per_month=10, when_exceeded="stop")
    assert exceeded_budget(budget, runs, NOW, "Europe/Berlin", "EUR") == [
        "run r1 has cost 4.00 EUR, the budget of a run is 3.00 (budget.per_run)"
    ]
    exceeded = exceeded_budget(budget, runs, NOW, "UTC", "EUR")
    assert exceeded[1] == "the 3 runs of 2026-03 have cost 12.00 EUR, the budget of a month is 10.00 (budget.per_month)"
    with pytest.raises(BudgetError, match=r"per_month\); the run stops before its Spark jobs.*ignore_budget"):
        check_budget(budget, exceeded)
    check_budget(Budget(per_run=3), exceeded)
    check_budget(budget, [])
    paths, files = LakePaths.below(str(tmp_path)), open_local_lake()
    pipeline = Pipeline.model_validate({"source": {"name": "shop"}, "budget": {"per_run": 3}})
    assert exceeded_by_runs(pipeline, paths, files, "b2") == []
    summary = RunSummary(figures=figures(1, 4.0), written_at=NOW, pipeline="shop", timezone="UTC")
    write_summary(files, paths, summary)
    assert exceeded_by_runs(pipeline, paths, files, "b2")[0].startswith("run r1 has cost 4.00, the budget")
    assert exceeded_by_runs(pipeline, paths, files, "b1") == []
    with pytest.raises(ValidationError, match="'stop' needs an amount; hint: add per_run or per_month"):
        Pipeline.model_validate({"source": {"name": "shop"}, "budget": {"when_exceeded": "stop"}})


def test_every_problem_of_the_prices_is_reported_at_once(tmp_path):
    text = (REPOSITORY / "include" / "prices.yml").read_text()
    text = text.replace("USD", "dollars").replace("price: 0.27", "price: -1").replace("  dbu: {", "  dbus: {")
    (tmp_path / "prices.yml").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_prices(tmp_path)
    fields = [problem.field for problem in caught.value.problems]
    assert sorted(fields) == ["currency", "prices.dbu", "prices.dbus", "prices.machine_hour.price"]
    assert load_prices(tmp_path / "none") is None
