"""Which queries are refreshed by keys, and that such a refresh equals the full build."""

from dataclasses import replace

import pytest

from midnight.configuration.tables import Table
from midnight.silver_to_gold.refresh import equality
from midnight.silver_to_gold.refresh.derive import derive_refresh, refresh_plans
from midnight.silver_to_gold.refresh.problems import refresh_problems
from midnight.silver_to_gold.spark_sql.relations import views
from tests.support.gold_lake import AS_WRITTEN, CONFIGURATION, DEMO_MODELS, INCLUDE
from tests.support.random_models import RELATIONS
from tests.support.refresh_check import DuckDB, differing_refreshes
from tests.support.refresh_models import BY_KEY, DUCKDB_DOES_NOT_KNOW, model

ENGINE = DuckDB()

ALWAYS_WHOLE = {
    "SELECT max(id) AS a, 1 AS b FROM silver__orders": "computed by max",
    "SELECT o.id AS a, i.k AS b FROM silver__orders o FULL JOIN silver__items i ON i.id = o.id": "in a FULL JOIN",
    "SELECT i.id a, 1 b FROM silver__orders o LEFT JOIN silver__items i ON i.id = o.id": "may leave out",
    "SELECT coalesce(i.id, o.id) a, 1 b FROM silver__orders o LEFT JOIN silver__items i ON i.k = o.k": "leave out",
    "SELECT o.v + i.k AS a, 1 AS b FROM silver__orders o JOIN silver__items i ON i.id = o.id": "several inputs",
    "SELECT id AS a, v AS b FROM silver__orders ORDER BY v LIMIT 3": "behind a LIMIT",
    "SELECT row_number() OVER (ORDER BY id) AS a, v AS b FROM silver__orders": "over a window",
    "SELECT id AS a, rank() OVER (PARTITION BY k ORDER BY v) AS b FROM silver__orders": "PARTITION BY",
    "SELECT id AS a, count(*) OVER () AS b FROM silver__orders": "PARTITION BY",
    "SELECT id AS a, count(*) AS b FROM silver__orders GROUP BY ROLLUP (id)": "ROLLUP",
    "SELECT id AS a, count(*) AS b FROM silver__orders GROUP BY id WITH CUBE": "CUBE",
    "SELECT id AS a, count(*) AS b FROM silver__orders GROUP BY GROUPING SETS ((id), ())": "GROUPING SETS",
    "SELECT id AS a, count(*) AS b FROM silver__orders GROUP BY ALL": "GROUP BY ALL",
    "SELECT explode(sequence(1, v)) AS a, id AS b FROM silver__orders": "computed by explode",
    "SELECT (SELECT max(v) FROM silver__parts) AS a, id AS b FROM silver__orders": "by a subquery",
    "SELECT my_function(id) AS a, v AS b FROM silver__orders": "my_function",
    "SELECT id AS a, first(v) AS b FROM silver__orders GROUP BY id": "first",
    "SELECT id AS a, string_agg(s) AS b FROM silver__orders GROUP BY id": "string_agg",
    "SELECT CAST(CAST(s AS DOUBLE) AS INT) a, v b FROM silver__orders": "does not follow from the rows of",
    "SELECT id AS a, size(collect_list(v)) + rand() AS b FROM silver__orders GROUP BY id": "rand",
    "SELECT id AS a, v AS b FROM silver__orders TABLESAMPLE (10 ROWS)": "TABLESAMPLE",
    "SELECT id AS a, v AS b FROM silver__orders EXCEPT SELECT id, k FROM silver__items": "EXCEPT",
    "SELECT id AS a, v AS b FROM silver__orders WHERE v > (SELECT avg(v) FROM silver__orders)": "by a subquery in",
    "SELECT o.id AS a, p.v AS b FROM silver__orders o CROSS JOIN silver__orders p": "no condition",
    "SELECT id AS a, v AS b FROM silver__orders WHERE _midnight_batch_id > '2'": "_midnight_batch_id",
    "SELECT id AS a, hash(*) AS b FROM silver__orders": "_midnight_batch_id",
    "SELECT 1 AS a, 2 AS b": "reads no input",
    "WITH RECURSIVE o AS (SELECT 1 AS a UNION ALL SELECT a FROM o) SELECT a, 1 AS b FROM o": "RECURSIVE",
    "SELECT * FROM (SELECT id, v FROM silver__orders) PIVOT (sum(v) FOR id IN (1 AS a, 2 AS b))": "can be followed",
    "SELECT a, 1 AS b FROM (SELECT v a FROM silver__orders UNION ALL SELECT w * 2 FROM silver__items)": "several types",
}


@pytest.mark.parametrize("name", BY_KEY)
def test_a_refresh_by_key_equals_the_full_build(name):
    shown = model(BY_KEY[name])
    plan = derive_refresh(shown, RELATIONS)
    assert (plan.kind, plan.key) == ("key", ("a",)), plan.reason
    if name not in DUCKDB_DOES_NOT_KNOW:
        wrong, changing = differing_refreshes(ENGINE, shown, plan, range(8))
        assert wrong == []
        assert changing


@pytest.mark.parametrize(
    ("name", "gathers", "read_whole"),
    [
        ("rows", False, ()),
        ("left join", False, ("silver.items",)),
        ("join with itself", False, ("silver.orders",)),
        ("groups of a join", True, ("silver.items",)),
        ("groups of a union", True, ()),
        ("distinct", True, ()),
        ("window", True, ()),
        ("subquery in a condition", False, ("silver.parts",)),
        ("common table expressions", True, ("silver.orders",)),
    ],
)
def test_what_the_restricted_query_gathers_and_reads_completely(name, gathers, read_whole):
    plan = derive_refresh(model(BY_KEY[name]), RELATIONS)
    assert (plan.gathers, plan.read_whole) == (gathers, read_whole)


@pytest.mark.parametrize("sql", ALWAYS_WHOLE)
def test_other_queries_are_built_whole_with_a_reason(sql):
    plan = derive_refresh(model(sql), RELATIONS)
    assert plan.kind == "full"
    assert plan.reason.startswith("gold.m is always built whole: ")
    assert ALWAYS_WHOLE[sql] in plan.reason


def test_a_part_of_the_key_is_enough():
    sql = "SELECT o.id AS a, i.k AS b FROM silver__orders o JOIN silver__items i ON i.k = o.v GROUP BY o.id, i.k"
    plan = derive_refresh(model(sql, key=("a", "b")), RELATIONS)
    # i.k = o.v: both columns of the key follow from the rows of silver.orders.
    assert plan.key == ("a", "b")
    assert plan.driving[0].key == ("CAST(input.`id` AS INT)", "CAST(input.`v` AS INT)")
    plan = derive_refresh(model(sql.replace("o.v", "o.v + 1"), key=("a", "b")), RELATIONS)
    assert plan.key == ("a",)


def test_an_equal_column_of_the_changed_rows_spares_the_join():
    """Which orders an item affects is in the item, without a join with all orders; not if the types differ."""
    plan = derive_refresh(model(BY_KEY["left join"]), RELATIONS)
    assert plan.affected["silver.items"] == "SELECT CAST(t2.`id` AS INT) AS `a`\nFROM changed__silver__items AS t2"
    sql = "SELECT o.id AS a, d.s AS b FROM silver__orders o LEFT JOIN gold__days d ON d.k = o.id"
    plan = derive_refresh(model(sql, types=("INT", "STRING")), RELATIONS)
    assert plan.affected["gold.days"].endswith(
        "FROM changed__gold__days AS t2\nJOIN any__silver__orders AS t1 ON (t2.`k` = t1.`id`)"
    )


def test_an_input_whose_changes_cannot_be_followed_builds_the_model_whole():
    for name in ("subquery in a condition", "cross join"):
        plan = derive_refresh(model(BY_KEY[name]), RELATIONS)
        assert set(plan.affected) == {"silver.orders"}
        assert set(plan.full_when_changed) == {"silver.parts"}


@pytest.mark.parametrize(
    ("kind", "key"),
    [("DOUBLE", "a"), ("FLOAT", "a"), ("DECIMAL(9,2)", "a")],
    ids=["double", "float", "decimal in a union"],
)
def test_types_whose_equal_values_may_differ_are_not_a_key(kind, key):
    plan = derive_refresh(model(BY_KEY["union of two inputs"], key=(key,), types=(kind, "INT")), RELATIONS)
    assert plan.kind == "full"
    assert kind.partition("(")[0] in plan.reason


def test_a_missing_affected_key_is_found():
    """The comparison itself: without the keys of one input, or with a filter on what an outer join leaves out."""
    shown = model(BY_KEY["left join"])
    plan = derive_refresh(shown, RELATIONS)
    forgotten = replace(plan, affected={"silver.orders": plan.affected["silver.orders"]})
    assert differing_refreshes(ENGINE, shown, forgotten, range(60))[0]


def test_a_filter_on_null_must_not_restrict_the_changes(monkeypatch):
    shown = model(BY_KEY["filter on what a left join leaves out"])
    holds = equality._holds
    monkeypatch.setattr(
        equality, "_holds", lambda item, context, _, matched: holds(item, context, frozenset(), matched)
    )
    assert differing_refreshes(ENGINE, shown, derive_refresh(shown, RELATIONS), range(100))[0]


@pytest.mark.parametrize("models", [AS_WRITTEN, DEMO_MODELS], ids=["Apache Spark", "Sail"])
def test_the_demo(models):
    plans = refresh_plans(models, CONFIGURATION.tables)
    assert {name: plan.key for name, plan in plans.items()} == {
        "dim_aircraft": ("aircraft_key",),
        "dim_airline": ("airline_key",),
        "dim_airport": ("airport_key",),
        "dim_date": (),
        "fact_flight": ("flight_key",),
        "mart_daily_punctuality": ("date_key", "airline_key"),
        "mart_route": ("origin_airport_key", "destination_code"),
        "mart_weather_effect": (),
    }
    assert [plan.reason for plan in plans.values() if plan.kind == "full"] == [
        "gold.dim_date is always built whole: its key column date_key is computed by explode",
        "gold.mart_weather_effect is always built whole: its key column band_number is computed from silver.weather, "
        "which an outer join may leave out",
    ]
    assert not any(plan.full_when_changed for plan in plans.values())


def test_the_contract_switches_the_refresh_off():
    plan = derive_refresh(model(BY_KEY["rows"], refresh="full"), RELATIONS)
    assert plan.reason == "gold.m is always built whole: its contract has refresh: full"


def test_a_contract_that_requires_what_is_not_possible_is_a_problem():
    good, bad = (
        found.model_copy(update={"contract": found.contract.model_copy(update={"refresh": "key"})})
        for found in AS_WRITTEN
        if found.name in ("dim_airline", "dim_date")
    )
    others = [found for found in AS_WRITTEN if found.name not in (good.name, bad.name)]
    problems = refresh_problems([good, bad, *others], CONFIGURATION.tables, INCLUDE)
    assert [(problem.where, problem.field) for problem in problems] == [("sql/gold/dim_date.yml", "refresh")]
    assert "its key column date_key is computed by explode" in problems[0].message


def test_a_model_that_leaves_out_deleted_rows_is_refreshed_by_key():
    """The changes of silver have the mark of ``deletes: soft``; other tables do not have the column."""
    columns = [{"name": "id", "type": "integer"}, {"name": "v", "type": "integer"}]
    fields = {"schema": "public", "table": "orders", "silver": "orders", "key": ["id"], "columns": columns}
    soft = views([Table.model_validate({**fields, "deletes": "soft"})], {})
    sql = "SELECT id AS a, v AS b FROM silver__orders WHERE _midnight_deleted_batch_id IS NULL"
    assert derive_refresh(model(sql), soft).kind == "key"
    names = [name for name, _ in soft["silver__orders"].columns]
    assert names == ["id", "v", "_midnight_deleted_batch_id", "_midnight_batch_id"]
    assert "_midnight_deleted_batch_id" not in dict(views([Table.model_validate(fields)], {})["silver__orders"].columns)
