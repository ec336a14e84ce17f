"""``make init`` on a database with unusual names, types and values: the configuration that it writes."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import psycopg
import yaml

from cli.commands import init
from midnight.configuration.files import load_configuration
from midnight.configuration.tables import Table
from midnight.configuration_check.json_schemas import schema_files
from tests.support.editor import editor_problems
from tests.support.init_command import files_of, run_init, url
from tests.support.other_postgres import needs_postgres, version_of_postgres


def load(place: Path) -> dict[str, Table]:
    return {table.qualified_name: table for table in load_configuration(place / "include").tables}


def test_every_loadable_table_is_configured(written):
    place, printed = written
    assert {name: table.silver for name, table in load(place).items()} == {
        '"Weird Schema"."Order.Items ""x"""': "order_items_x",
        "public.aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff123": (
            "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff123"
        ),
        "public.animal": "animal",
        "public.bird": "bird",
        "public.cache": "cache",
        "public.countries": "countries",
        "public.customers": "customers",
        "public.egg": "egg",
        "public.empty_table": "empty_table",
        "public.events": "events",
        "public.every_type": "every_type",
        "public.half_hidden": "half_hidden",
        "public.hen": "hen",
        "public.no_key": "no_key",
        "public.node": "node",
        "public.orders": "orders",
        "public.orphan": "orphan",
        "public.user": "user",
        'public."таблица_с_очень_длинным_именем_xx"': "tablitsa_s_ochen_dlinnym_imenem_xx",  # noqa: RUF001
        "sales.orders": "sales_orders",
    }
    for hint in ("GRANT USAGE ON SCHEMA", "GRANT SELECT ON", "BYPASSRLS", "public.dog", "3 partitions", "salary"):
        assert hint in printed


def test_an_editor_finds_a_schema_for_every_file_and_no_problem(written):
    include = written[0] / "include"
    files = sorted(include.rglob("*.yml"))
    assert len(files) == 1 + 2 * len(load(written[0]))
    assert {path.name: editor_problems(path) for path in files} == {path.name: [] for path in files}
    assert {f"schemas/{path.name}" for path in (include / "schemas").iterdir()} == set(schema_files())


@needs_postgres(11, "a key of a partitioned table")
def test_keys_and_order(written):
    tables = load(written[0])
    assert {
        name: (tables[name].key, tables[name].order_by, tables[name].duplicates)
        for name in ("public.customers", "public.events", "public.no_key", "sales.orders", "public.animal")
    } == {
        "public.customers": (("id",), ("updated_at desc",), "drop"),
        "public.events": (("happened", "kind"), (), "drop"),
        "public.no_key": ((), (), "keep"),
        "sales.orders": ((), (), "keep"),  # the unique column may be null
        "public.animal": ((), (), "keep"),  # a child has a row with the same id
    }


def test_values_that_the_lake_cannot_hold_get_a_store(written):
    columns = {
        column.name: column.bronze_type
        for column in load(written[0])["public.every_type"].columns
        if column.bronze_type
    }
    assert columns == {
        "free": "numeric(18,4)",  # without precision: room, and products that stay exact
        "free_wide": "numeric(38,1)",
        "wide": "numeric(38,2)",
        **({"minus": "numeric(7,0)", "tiny": "numeric(5,5)"} if version_of_postgres() >= 15 else {}),
        "nan": "text",
    }
    orders = {
        column.name: column.bronze_type for column in load(written[0])["public.orders"].columns if column.bronze_type
    }
    assert orders == {"delivered": "text"}  # it holds infinity


def test_settings_of_a_role_do_not_change_what_is_read(database, place, monkeypatch):
    """The settings once made schemas such as pgstuff look like PostgreSQL's own, and dates look like texts."""
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA pgstuff; CREATE TABLE pgstuff.days (day date PRIMARY KEY, bytes bytea)")
        for setting in ("standard_conforming_strings = off", "quote_all_identifiers = on", "DateStyle = 'SQL, DMY'"):
            connection.execute(f'ALTER DATABASE "{database.database}" SET {setting}')
    assert run_init(url(database)) == 0
    assert [(c.name, c.type) for c in load(place)["pgstuff.days"].columns] == [("day", "date"), ("bytes", "bytea")]


def test_null_texts_are_found_but_not_in_codes(written):
    tables = load(written[0])
    assert {
        column.name: column.null_values for table in tables.values() for column in table.columns if column.null_values
    } == {
        "phone": ("", "NA"),
        "area": ("NA",),
    }
    assert tuple(c.trim for t in tables.values() if t.table.startswith("aaaa") for c in t.columns) == (False,)
    assert [c.name for c in tables["public.countries"].columns if not c.trim] == ["code"]  # a key: " a" is not "a"


def test_names_and_codes_keep_words_that_may_mean_null(database, place, monkeypatch, capsys):
    """Null is a surname, None a first name, NA a country and a ticker: they stay, and the summary lists them first."""
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        connection.execute(
            """
            CREATE TABLE person (id int PRIMARY KEY, surname text, first_name text, country char(2),
                ticker varchar(5), grade text, middle text, age text, born text, phone text, score text,
                height text, note text);
            INSERT INTO person VALUES
                (1, 'Null', 'None', 'NA', 'NA', '-', '', 'NA', 'unknown', 'n/a', '-', '', '?'),
                (2, 'Smith', 'Ann', 'DE', 'TRUE', 'A', 'B.', '42', '2024-01-31', '+49 (30) 12-3', '1,5', '1.80', '?'),
                (3, 'NULL', 'none', 'FR', 'NaN', 'B', '-', '7', '2024-01-31T12:00:00Z', '112', '-3', '2', '?');
            """
        )
    assert run_init(url(database)) == 0
    (person,) = load(place).values()
    found = {column.name: column.null_values for column in person.columns if column.null_values}
    assert found == {"age": ("NA",), "born": ("unknown",), "phone": ("n/a",), "score": ("-",), "height": ("",)}
    top = capsys.readouterr().out.split("Configured")[0]
    stay = (
        *("surname 'NULL', 'Null'", "first_name 'None', 'none'", "country 'NA'", "ticker 'NA', 'NaN'", "grade '-'"),
        *("middle '', '-'", "note '?'"),
    )
    for kept in stay:
        assert f"public.person.{kept}" in top.partition("stay as they are")[2]
    for name in found:
        assert f"public.person.{name} " in top.partition("stay as they are")[0]
    assert "White space around texts is removed" in top


def test_foreign_keys_become_warnings(written):
    checks = {
        name: [(check.columns, check.table, check.references, check.on_failure) for check in table.checks]
        for name, table in load(written[0]).items()
        if table.checks
    }
    assert checks == {
        '"Weird Schema"."Order.Items ""x"""': [(("Order_Id",), "orders", ("id",), "warn")],
        "public.egg": [(("hen",), "hen", ("id",), "warn")],
        "public.hen": [(("egg",), "egg", ("id",), "warn")],
        "public.node": [(("parent",), "node", ("id",), "warn")],
        "public.orders": [(("customer_id",), "customers", ("id",), "warn")],
    }
    assert "orphan_loose (hen references public.hen): it is NOT VALID" in (
        (written[0] / "include" / "tables" / "public.orphan.yml").read_text()
    )


def test_the_password_is_in_one_private_file_only(written, reader):
    place, printed = written
    connections = place / "home" / "connections.yaml"
    assert connections.stat().st_mode & 0o777 == 0o600
    assert {
        "conn_type": "postgres",
        "host": reader.host,
        "port": reader.port,
        "login": reader.user,
        "password": reader.password,
        "schema": reader.database,
        "description": init.DESCRIPTION,
    } == yaml.safe_load(connections.read_text())[init.CONNECTION_ID]
    texts = {**files_of(place / "include"), "printed": printed}
    secrets = (reader.password, quote(reader.password), quote(reader.password, safe=""))
    assert [name for name, text in texts.items() for secret in secrets if secret in text] == []
