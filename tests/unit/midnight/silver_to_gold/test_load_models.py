"""Loading gold models: all problems at once, references replaced in place, a stable order."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midnight.configuration.files import load_configuration
from midnight.errors import ConfigurationError
from midnight.settings import REPOSITORY
from midnight.silver_to_gold.load_models import load_gold_models
from midnight.silver_to_gold.sql_references import parse_condition, parse_query

INCLUDE = REPOSITORY / "include"
SILVER = ["flights", "airports"]
CONTRACT = "description: d\nkey: [a]\ncolumns:\n  - {name: a, type: INT}\n"


def write(folder, **files):
    """Write include/sql/gold: ``x_sql`` is x.sql, ``x_yml`` is x.yml; a query without a contract gets one."""
    gold = folder / "include" / "sql" / "gold"
    gold.mkdir(parents=True, exist_ok=True)
    for key, text in files.items():
        name, _, kind = key.rpartition("_")
        (gold / f"{name}.{kind}").write_text(text)
        if kind == "sql" and f"{name}_yml" not in files:
            (gold / f"{name}.yml").write_text(CONTRACT)
    return gold


def problems_of(gold, silver=SILVER):
    with pytest.raises(ConfigurationError) as caught:
        load_gold_models(gold, silver)
    return [str(problem) for problem in caught.value.problems]


def test_the_demo_is_a_star_with_marts():
    silver = [table.silver for table in load_configuration(INCLUDE).tables]
    models = load_gold_models(INCLUDE / "sql" / "gold", silver)
    assert [model.name for model in models] == [
        "dim_aircraft",
        "dim_airline",
        "dim_airport",
        "dim_date",
        "fact_flight",
        "mart_daily_punctuality",
        "mart_route",
        "mart_weather_effect",
    ]
    undescribed = [
        f"{model.name}.{column.name}"
        for model in models
        for column in model.contract.columns
        if not column.description or (column.type == "STRING" and column.max_length is None)
    ]
    assert undescribed == []


def test_references_are_replaced_in_place_and_nothing_else(tmp_path):
    text = """-- silver.flights in a comment stays, with ü
SELECT 'silver.flights' AS a, s.gold, s.gold.field
FROM Silver . `Flights` AS s
JOIN `gold`.b AS gold_b ON gold_b.silver = s.x /* gold.b */
;
"""
    gold = write(tmp_path, b_sql="SELECT 1 AS a", model_sql=text)
    model = load_gold_models(gold, SILVER)[-1]
    expected = text.replace("Silver . `Flights`", "silver__flights").replace("`gold`.b AS", "gold__b AS")
    assert model.sql == expected.rpartition(";")[0]
    assert model.references == {"silver__flights": "silver.flights", "gold__b": "gold.b"}


@settings(max_examples=20)
@given(st.permutations(["a", "b", "c", "d"]), st.randoms(use_true_random=False))
def test_each_model_follows_what_it_reads(tmp_path_factory, order, random):
    reads = {name: [other for other in order[:i] if random.random() < 0.5] for i, name in enumerate(order)}
    sources = {
        f"{name}_sql": "SELECT 1 AS a" + "".join(f" UNION ALL SELECT a FROM gold.{other}" for other in others)
        for name, others in reads.items()
    }
    gold = write(tmp_path_factory.mktemp("gold"), **sources)
    names = [model.name for model in load_gold_models(gold, SILVER)]
    assert all(names.index(other) < names.index(name) for name, others in reads.items() for other in others)


def test_all_problems_are_reported_at_once(tmp_path):
    gold = write(
        tmp_path,
        broken_sql="SELECT a FROM\nWHERE (",
        commands_sql="DROP TABLE x",
        two_sql="SELECT 1 AS a; SELECT 2 AS a",
        unknown_sql="SELECT a\nFROM silver.nothing JOIN gold.nobody JOIN bare JOIN other.place",
        clock_sql="SELECT CAST(current_date() AS INT) AS a",
        orphan_yml=CONTRACT,
        own_sql="SELECT a FROM gold.own",
    )
    (gold / "alone.sql").write_text("SELECT 1 AS a")
    shown = "\n".join(problems_of(gold))
    for message in [
        "sql/gold/alone.sql:1: has no contract; hint: add alone.yml with description, key and columns",
        "sql/gold/broken.sql:2: does not parse as Spark SQL: Expected table name but got near",
        "sql/gold/commands.sql:1: is DROP, not a query (SELECT or WITH … SELECT)",
        "sql/gold/two.sql:1: has 2 statements; hint: write one query",
        "sql/gold/unknown.sql:2: silver.nothing is unknown; hint: use one of [",
        "sql/gold/unknown.sql:2: gold.nobody is unknown; hint: use one of [",
        "sql/gold/unknown.sql:2: reads 'bare'; hint: use silver.<table> or gold.<model>",
        "sql/gold/unknown.sql:2: reads 'other.place'; hint: use silver.<table> or gold.<model>",
        "sql/gold/clock.sql:1: calls current_date, whose result is not reproducible; hint: ",
        "sql/gold/orphan.yml:1: has no query; hint: add orphan.sql",
        "sql/gold/own.sql:1: gold.own references itself",
    ]:
        assert message in shown


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("DATE'today' AS a", "'today' is the time of the query"),
        ("CAST('Yesterday' AS DATE) AS a", "'Yesterday' is the time of the query"),
        ("to_date('today') AS a", "'today' is the time of the query"),
        ("date_add('tomorrow', 1) AS a", "'tomorrow' is the time of the query"),
        ("time_hour > TIMESTAMP ' now UTC ' AS a", "' now UTC ' is the time of the query"),
        ("time_hour > ('today') AS a", "'today' is the time of the query"),
        ("sysdate() AS a", "calls sysdate"),
        ("unix_timestamp() AS a", "calls current_timestamp"),
        ("carrier = 'today' AS a", ""),
        ("concat('now: ', carrier) AS a", ""),
        ("CAST('1970-01-01' AS DATE) AS a", ""),
    ],
)
def test_a_query_may_not_depend_on_the_time_of_its_run(sql, found):
    problems = [message for _, message in parse_query(f"SELECT {sql} FROM silver.flights").problems]
    assert [message.startswith(found) for message in problems] == ([True] if found else []), problems


def test_a_circular_reference_is_reported(tmp_path):
    gold = write(tmp_path, a_sql="SELECT a FROM gold.c", b_sql="SELECT a FROM gold.a", c_sql="SELECT a FROM gold.b")
    (problem,) = problems_of(gold)
    assert "has a circular reference" in problem
    assert problem.count("->") == 3


def test_invalid_contracts(tmp_path):
    contract = """description: d
key: [missing]
columns:
  - {name: a, type: INT, max_length: 3}
  - {name: A, type: TIMESTAMP_NTZ}
  - {name: "b c", type: STRING}
checks:
  - {rule: not_null, columns: [nope], on_failure: fail}
  - {rule: unique, columns: [a]}
  - {rule: foreign_key, columns: [a], table: other, references: [z], on_failure: warn}
  - {rule: foreign_key, name: second, columns: [a], table: silver.nobody, references: [z], on_failure: warn}
  - {rule: expression, name: bad, sql: "a >", on_failure: fail}
  - {rule: expression, name: bad, sql: "(SELECT count(*) FROM gold.nobody) > a", on_failure: fail}
"""
    gold = write(tmp_path, m_sql="SELECT 1 AS a", m_yml=contract, other_sql="SELECT 1 AS a")
    shown = "\n".join(problems_of(gold))
    for message in [
        "sql/gold/m.yml:2: key: 'missing' is not among the columns ['a', 'A', 'b c']",
        "sql/gold/m.yml:4: columns[0].max_length: is for STRING columns, not 'INT'; hint: remove it",
        "sql/gold/m.yml:5: columns[1].name: duplicate column 'A' (Spark ignores case)",
        "sql/gold/m.yml:5: columns[1].type: Spark type 'TIMESTAMP_NTZ' is not supported in a reporting view",
        "sql/gold/m.yml:6: columns[2].name: 'b c' is not a safe name; hint: use 'b_c'",
        "sql/gold/m.yml:8: checks[0]: column 'nope' is not among the columns",
        "sql/gold/m.yml:9: checks[1]: check 'unique_a' would quarantine rows (the default)",
        "sql/gold/m.yml:10: checks[2]: unknown columns ['z'] of gold.other",
        "sql/gold/m.yml:11: checks[3]: silver.nobody is unknown",
        "sql/gold/m.yml:12: checks[4]: does not parse as Spark SQL",
        "sql/gold/m.yml:13: checks[5]: duplicate check name 'bad'",
        "sql/gold/m.yml:13: checks[5]: gold.nobody is unknown",
    ]:
        assert message in shown


def test_checks_reference_tables_by_their_views(tmp_path):
    contract = (
        CONTRACT
        + """checks:
  - {rule: foreign_key, columns: [a], table: other, references: [a], on_failure: fail}
  - rule: expression
    name: e
    sql: (SELECT count(*) FROM gold.m) <= (SELECT count(*) FROM silver.flights)
    on_failure: fail
"""
    )
    gold = write(tmp_path, m_sql="SELECT 1 AS a", m_yml=contract, other_sql="SELECT 1 AS a")
    other, model = sorted(load_gold_models(gold, SILVER), key=lambda m: m.name, reverse=True)
    foreign_key, expression = model.contract.checks
    assert other.name == "other"
    assert foreign_key.table == "gold__other"
    assert expression.sql == "(SELECT count(*) FROM gold__m) <= (SELECT count(*) FROM silver__flights)"
    assert model.references == {"gold__other": "gold.other", "silver__flights": "silver.flights"}


@pytest.mark.parametrize(
    "text",
    [
        "SELECT a.* FROM silver.flights AS a, LATERAL explode(array(1)) AS x(y)",
        "WITH silver AS (SELECT 1 AS gold) SELECT gold FROM silver",
        "SELECT * FROM range(10)",
        "SELECT count(*) FILTER (WHERE a > 1) FROM silver.flights GROUP BY ALL",
        "SELECT a FROM silver.flights QUALIFY row_number() OVER (ORDER BY a) = 1",
    ],
)
def test_valid_spark_sql(text):
    assert parse_query(text).problems == ()


def test_a_condition_keeps_its_text():
    assert parse_condition("a > (SELECT max(b) FROM silver.t)").with_views({}) == "a > (SELECT max(b) FROM silver__t)"
