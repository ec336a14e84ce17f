"""Any table and column name survives: the written configuration loads with the names of the source."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from midnight.configuration.files import load_configuration, table_file_name
from midnight.configuration.yaml_document import YamlDocument
from midnight.configuration_check.json_schemas import schema_files
from midnight.postgres_to_bronze.catalogue import CatalogueColumn, CatalogueTable, ForeignKeyConstraint
from midnight.scaffold.gold_files import render_gold_contract, render_gold_query
from midnight.scaffold.pipeline_file import render_pipeline
from midnight.scaffold.silver_names import silver_name
from midnight.scaffold.source_survey import SourceTable
from midnight.scaffold.table_file import render_table
from midnight.scaffold.table_plan import plan_tables
from midnight.silver_to_gold.models import GoldModelContract
from midnight.silver_to_gold.sql_references import parse_query
from tests.support.editor import editor_problems

SCHEMAS = schema_files()
# PostgreSQL allows up to 63 bytes, without NUL.
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=63).filter(
    lambda name: len(name.encode()) <= 63
)


def source_table(schema: str, name: str, columns: list[str], comment: str = "") -> SourceTable:
    found = tuple(CatalogueColumn(c, i, "text", "text", "S", True, comment=comment) for i, c in enumerate(columns, 1))
    own = ForeignKeyConstraint(f"fk {name}"[:63], (columns[-1],), schema, name, (columns[0],))
    table = CatalogueTable(
        oid=1, schema_name=schema, name=name, kind="table", is_partition=False, rows=1, bytes=1, comment=comment,
        row_security=False, readable=True, columns=found, primary_key=(columns[0],), foreign_keys=(own,),
    )  # fmt: skip
    return SourceTable(table, key=(columns[0],), key_is_primary=True, longest={columns[0]: 9})


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(
    tables=st.lists(
        st.tuples(NAMES, NAMES, st.lists(NAMES, min_size=1, max_size=5, unique=True)),
        min_size=1,
        max_size=4,
        unique_by=lambda t: t[:2],
    ),
    comment=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
)
@example(
    tables=[("public", "Order", ["a", "A", "á", "1x", "_midnight_x", 'q"', "x.y", "null", "yes", "a b"])], comment=""
)
@example(tables=[("1e3", "0o17", ["1e3", "0x1F", "012", ".5", "~"])], comment="1e3")
@example(tables=[("схема" * 6, "таблица" * 4, ["колонка"])], comment="")
@example(
    tables=[("a", "t", ["x"]), ("b", "t", ["x"]), ("a", "b_t", ["x"]), ("public", "T", ["x"])], comment="x: #\n\t'"
)
def test_names_survive(tmp_path_factory, tables, comment):
    folder = tmp_path_factory.mktemp("include")
    (folder / "tables").mkdir()
    (folder / "sql" / "gold").mkdir(parents=True)
    sources = [source_table(schema, name, columns, comment) for schema, name, columns in tables]
    text = render_pipeline(source_name=tables[0][0], connection_id="c", timezone="UTC", database=tables[0][1])
    (folder / "pipeline.yml").write_text(text, encoding="utf-8")
    (folder / "schemas").mkdir()
    for path, schema in SCHEMAS.items():
        (folder / path).write_text(schema, encoding="utf-8")
    for plan in plan_tables(sources, {}):
        table = plan.table
        (folder / "tables" / table_file_name(table.schema_name, table.table)).write_text(
            render_table(plan), encoding="utf-8"
        )
        contract = folder / "sql" / "gold" / f"{table.silver}.yml"
        contract.write_text(render_gold_contract(table, plan.longest), encoding="utf-8")
        assert YamlDocument(contract, folder).problems == []
        assert YamlDocument(contract, folder).validate(GoldModelContract) is not None
        assert table.silver in render_gold_query(table)
    assert [problem for path in folder.rglob("*.yml") for problem in editor_problems(path)] == []
    configuration = load_configuration(folder)
    found = {
        (t.schema_name, t.table, t.description, tuple(c.source_name for c in t.columns)) for t in configuration.tables
    }
    assert found == {(schema, name, comment.strip(), tuple(columns)) for schema, name, columns in tables}
    keys = {tuple({c.name: c.source_name for c in t.columns}[n] for n in t.key) for t in configuration.tables}
    assert keys == {(columns[0],) for _, _, columns in tables}


@given(NAMES)
@example("Größe")
@example("таблица")
@example("2024")
@example("_midnight")
def test_a_silver_name_is_a_plain_identifier(name):
    silver = silver_name(name)
    assert (silver.isascii(), silver.isidentifier(), not silver.startswith("_midnight")) == (True, True, True)


def test_silver_names_stay_readable():
    names = ["Größe 2", "Straße", "Café__Menü", "Orders", "таблица", "2024", "日本 x"]
    assert [
        ("Größe 2", "grosse_2"),
        ("Straße", "strasse"),
        ("Café__Menü", "cafe_menu"),
        ("Orders", "orders"),
        ("таблица", "tablitsa"),
        ("2024", "c_2024"),
        ("日本 x", "x_" + hashlib.sha256("日本 x".encode()).hexdigest()[:8]),
    ] == [(name, silver_name(name)) for name in names]


def test_equal_table_names_in_two_schemas_get_different_silver_names():
    sources = [source_table(s, "Orders", ["id"]) for s in ("shop", "archive", "public")]
    assert [p.table.silver for p in plan_tables(sources, {})] == ["shop_orders", "archive_orders", "orders"]


def test_names_of_configured_tables_are_taken():
    (known,) = (plan.table for plan in plan_tables([source_table("a", "orders", ["id"])], {}))
    new = plan_tables([source_table("b", "orders", ["id"])], {}, [known])
    assert [plan.table.silver for plan in new] == ["orders_2"]
    assert plan_tables([replace(source_table("a", "orders", ["id"]))], {}, [known]) == []


@pytest.mark.parametrize("name", ["select", "from", "table", "lateral", "values", "order", "all", "silver", "pivot"])
def test_a_table_named_like_a_sql_keyword_gets_a_model_that_parses(name):
    (plan,) = plan_tables([source_table("public", name, ["id"])], {})
    query = parse_query(render_gold_query(plan.table))
    assert (query.problems, query.references) == ((), ((4, f"silver.{plan.table.silver}"),))
