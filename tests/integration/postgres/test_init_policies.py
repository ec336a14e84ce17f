"""`make init` proposes what happens to values that bronze cannot hold, and its proposal loads the source."""

from __future__ import annotations

import yaml

from midnight.configuration.files import load_configuration
from tests.support.ingest_run import BronzeFolder, fetch, run_sql
from tests.support.init_command import run_init, url

SETUP = (
    "CREATE EXTENSION hstore",
    "CREATE TYPE pair AS (a int[], b text)",
    "CREATE TABLE odd (id int PRIMARY KEY, until date, sure date, rate numeric, list int[], plain int[], one pair, "
    "fine pair, docs jsonb[], tags hstore[])",
    "INSERT INTO odd VALUES (1, '2024-01-01', '2024-01-01', 1.5, '{1}', '{1,2}', '({1},x)', '({1},null)', "
    """'{"[1]"}', '{"a=>\\"null\\""}')""",
    "INSERT INTO odd VALUES (2, 'infinity', NULL, 'NaN', '[5:6]={1,2}', '{}', '(\"[0:0]={1}\",x)', '({},\"]={\")', "
    """'{"null"}', NULL)""",
    "CREATE TABLE prices (valid_from date PRIMARY KEY)",
    "INSERT INTO prices VALUES ('-infinity'), ('2024-01-01')",
)


def test_init_writes_a_policy_with_its_reason_where_values_need_one(database, place):
    run_sql(database, *SETUP)
    assert run_init(url(database)) == 0

    include = place / "include"
    text = (include / "tables/public.odd.yml").read_text()
    columns = {column["name"]: column for column in yaml.safe_load(text)["columns"]}
    policies = {
        name: column["on_unrepresentable"] for name, column in columns.items() if "on_unrepresentable" in column
    }
    assert policies == dict.fromkeys(["until", "rate", "list", "one", "docs"], "text")
    assert [name for name, column in columns.items() if "bronze_type" in column] == []
    words = " ".join(line.strip("# ") for line in text.splitlines())
    for reason in (
        "Holds infinity, which is not a valid date in the lake: kept as text. For a date in silver write null instead: "
        "such values become null, counted.",
        "Holds NaN, which is not a valid decimal in the lake: kept as text.",
        "Holds [5:6]={1,2}, which JSON does not keep exactly: kept as PostgreSQL prints it.",
    ):
        assert reason in words
    key = (include / "tables/public.prices.yml").read_text()
    assert "on_unrepresentable: text" in key
    assert "null instead" not in key

    bronze = BronzeFolder(place / "lake")
    tables = load_configuration(include).tables
    bronze.ingest(database, *tables)
    odd = next(table for table in tables if table.table == "odd")
    printed = "id, until::text, sure, rate::text, concat(list), to_json(plain)::text, concat(one), to_json(fine)::text"
    expected = f"SELECT {printed}, concat(docs), to_json(tags)::text FROM public.odd ORDER BY id"
    assert sorted(bronze.rows(odd)) == fetch(database, expected)
    assert bronze.manifest(odd).unrepresentable == ()


def test_null_is_read_from_yaml_with_and_without_quotes(database, place):
    run_sql(database, "CREATE TABLE t (id int PRIMARY KEY, until date)", "INSERT INTO t VALUES (1, 'infinity')")
    assert run_init(url(database)) == 0
    file = place / "include/tables/public.t.yml"
    proposed = file.read_text()
    for written in ("null", '"null"', "'null'", "~"):
        file.write_text(proposed.replace("on_unrepresentable: text", f"on_unrepresentable: {written}"))
        (table,) = load_configuration(place / "include").tables
        assert (table.columns[1].on_unrepresentable, table.columns[1].bronze_type) == ("null", None)
    bronze = BronzeFolder(place / "lake")
    bronze.ingest(database, table)
    assert bronze.rows(table) == [(1, None)]
