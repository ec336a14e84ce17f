"""``make init`` against a database with unusual names, types, values and permissions."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
import yaml

from cli.commands import init
from cli.instance.folder import Instance
from cli.postgres.embedded import Server
from midnight.configuration.pipeline import load_configuration
from midnight.configuration.tables import Table
from midnight.configuration_check.json_schemas import schema_files
from midnight.errors import MidnightError
from midnight.lake.paths import LakePaths
from midnight.settings import REPOSITORY
from tests.support.editor import editor_problems


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """Folders of an instance of our own."""
    monkeypatch.setenv("MIDNIGHT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MIDNIGHT_CONFIG", str(tmp_path / "include"))
    return tmp_path


def url(server: Server) -> str:
    return f"postgresql://{server.user}:{quote(server.password, safe='')}@{server.host}:{server.port}/{server.database}"


def run_init(source: str) -> int:
    return init.main(source=source)


def load(place: Path) -> dict[str, Table]:
    return {table.qualified_name: table for table in load_configuration(place / "include").tables}


def files_of(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def written(reader, place, monkeypatch, capsys) -> tuple[Path, str]:
    """The nasty database's configuration, and what was printed."""
    assert run_init(url(reader)) == 0
    return place, capsys.readouterr().out


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


def test_a_schema_of_an_earlier_version_is_renewed(written, reader, monkeypatch):
    schema = written[0] / "include" / "schemas" / "table.schema.json"
    current = schema.read_text()
    schema.write_text("{}")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(init, "write_connection", full)
        with pytest.raises(MidnightError):
            run_init(url(reader))
    assert schema.read_text() == "{}"
    assert (run_init(url(reader)), schema.read_text()) == (0, current)


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
        "minus": "numeric(7,0)",
        "tiny": "numeric(5,5)",
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


def test_a_second_run_keeps_edited_files_and_adds_new_tables(written, reader, database, monkeypatch, capsys):
    include = written[0] / "include"
    edited = include / "tables" / "public.customers.yml"
    edited.write_text(edited.read_text().replace("group: main", "group: main  # mine"))
    before = files_of(include)
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        connection.execute(
            "DROP TABLE no_key; CREATE SCHEMA more; CREATE TABLE more.customers (id integer PRIMARY KEY)"
        )
        connection.execute(
            f"GRANT USAGE ON SCHEMA more TO {reader.user}; GRANT SELECT ON more.customers TO {reader.user}"
        )
    assert run_init(url(reader)) == 0
    after, printed = files_of(include), capsys.readouterr().out
    added = {"tables/more.customers.yml", "sql/gold/customers_2.sql", "sql/gold/customers_2.yml"}
    assert (before, added) == ({n: t for n, t in after.items() if n not in added}, set(after) - set(before))
    assert "No longer in the database: public.no_key. Delete their files." in printed


def test_names_that_differ_in_case_only_stay_apart_everywhere(database, place, monkeypatch):
    """This includes tables that are created later, which rename no existing file."""
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        connection.execute('CREATE TABLE "Orders" (id int PRIMARY KEY); CREATE TABLE orders (id int PRIMARY KEY)')
        assert run_init(url(database)) == 0
        before = files_of(place / "include")
        connection.execute('CREATE TABLE "ORDERS" (id int PRIMARY KEY); CREATE SCHEMA "Public"')
        connection.execute('CREATE TABLE "Public".orders (id int PRIMARY KEY)')
    assert run_init(url(database)) == 0
    after = files_of(place / "include")
    assert before == {name: text for name, text in after.items() if name in before}
    assert len({name.casefold() for name in after}) == len(after) == len(before) + 2 * 3
    paths = LakePaths.below("/lake")
    tables = load_configuration(place / "include").tables
    folders = {paths.table_batches("s", t.schema_name, t.table).casefold() for t in tables}
    assert (len(folders), len({paths.silver_table(t.silver).casefold() for t in tables})) == (4, 4)


def test_only_deleted_tables_are_reported_as_deleted(written, reader, database, monkeypatch, capsys):
    """The summary never suggests deleting the file of a relation that exists, of any kind and readable or not."""
    place, _ = written
    tables = place / "include" / "tables"
    example = (tables / "public.user.yml").read_text()
    names = ("a_view", "a_matview", "a_foreign_table", "events_2024", "in_extension")
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        connection.execute(
            "CREATE VIEW a_view AS SELECT 1 AS x; CREATE MATERIALIZED VIEW a_matview AS SELECT 1 AS x;"
            "CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;"
            "CREATE FOREIGN TABLE a_foreign_table (x int) SERVER files OPTIONS (filename '/dev/null');"
            "CREATE TABLE in_extension (x int); ALTER EXTENSION file_fdw ADD TABLE in_extension;"
            f"GRANT SELECT ON a_view, a_matview, a_foreign_table, events_2024, in_extension TO {reader.user};"
            f"REVOKE SELECT ON countries FROM {reader.user}; DROP TABLE empty_table;"
            "ALTER TABLE cache ENABLE ROW LEVEL SECURITY"
        )
    for name in names:
        text = example.replace("table: user", f"table: {name}").replace("silver: user", f"silver: {name}")
        (tables / f"public.{name}.yml").write_text(text)
    assert run_init(url(reader)) == 0
    printed = capsys.readouterr().out
    (deleted,) = [line for line in printed.splitlines() if "Delete" in line]
    assert deleted == "No longer in the database: public.empty_table. Delete their files."
    (other,) = [line for line in printed.splitlines() if line.startswith("Not tables")]
    for shown in ("a_view (view)", "a_matview (materialized view)", "a_foreign_table (foreign table)"):
        assert shown in other
    assert "may not read public.countries; hint: run GRANT USAGE" in printed
    assert "a_view" not in printed.partition("Left out")[2].partition("were configured already")[0]
    assert "row policy of public.cache" in printed


def test_another_source_moves_the_current_configuration_away(reader, place, monkeypatch, capsys):
    shutil.copytree(REPOSITORY / "include", place / "include")
    silver = place / "home" / "lake" / "silver" / "flights"
    Instance(place / "home").create()
    silver.mkdir(parents=True)
    demo = files_of(REPOSITORY / "include")
    assert run_init(url(reader)) == 0
    (replaced,) = (place / "home" / "replaced-configuration").iterdir()
    moved = {
        name: text
        for name, text in demo.items()
        if name.startswith(("pipeline.yml", "tables/", "sql/gold/", "sql/serving/", "report.yml", "powerbi/"))
    }
    kept = {name: text for name, text in demo.items() if name not in moved}
    current = files_of(place / "include")
    assert moved == {name: text for name, text in files_of(replaced).items() if not name.startswith("lake/")}
    assert kept == {name: text for name, text in current.items() if name in kept}
    assert (silver.exists(), (replaced / "lake" / "silver" / "flights").is_dir()) == (False, True)
    assert str(replaced) in capsys.readouterr().out.replace("\n", "")


def test_nothing_is_changed_when_the_last_step_fails(reader, place, monkeypatch):
    shutil.copytree(REPOSITORY / "include", place / "include")
    before = files_of(place / "include")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(init, "write_connection", full)
    with pytest.raises(MidnightError, match=r"was not changed.*No space left"):
        run_init(url(reader))
    assert before == files_of(place / "include")
    assert sorted(p.name for p in place.iterdir() if p.name != "home") == ["include"]


def test_a_broken_configuration_of_the_same_source_is_not_touched(written, reader, monkeypatch):
    include = written[0] / "include"
    (include / "tables" / "public.orders.yml").write_text("schema: [")
    before = files_of(include)
    with pytest.raises(MidnightError, match=r"public\.orders\.yml:1: .*not valid YAML"):
        run_init(url(reader))
    assert before == files_of(include)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"port": 1}, "cannot be reached"),
        ({"host": "no-such-host.invalid"}, "cannot be reached"),
        ({"password": "Wr0ng&pass"}, "password in SOURCE is wrong"),
        ({"password": ""}, "asks for the password of"),
        ({"user": "nobody_here"}, "the role does not exist"),
        ({"database": "no_such_db"}, "has no database 'no_such_db'"),
    ],
)
def test_a_source_that_cannot_be_read_is_one_line(database, place, change, message):
    server = dataclasses.replace(database, **change)
    answer = init_command(url(server), place)
    lines = answer.stderr.strip().splitlines()
    assert (answer.returncode, len(lines), message in lines[0]) == (1, 1, True), answer.stderr
    assert (answer.stdout, (server.password or "\0") in answer.stderr, list(place.iterdir())) == ("", False, [])


def test_a_database_without_tables_is_one_line(database, place):
    answer = init_command(url(database), place)
    assert (answer.returncode, list(place.iterdir()), "has no table: is" in answer.stderr) == (1, [], True)


def test_a_role_without_permissions_gets_the_grant_to_run(reader, database, place):
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        connection.execute(f"DROP OWNED BY {reader.user}")
        connection.execute("REVOKE ALL ON ALL TABLES IN SCHEMA public, sales FROM PUBLIC")
    answer = init_command(url(reader), place)
    wanted = f'GRANT USAGE ON SCHEMA "Weird Schema" TO "{reader.user}";'
    assert (answer.returncode, wanted in answer.stderr, "Traceback" not in answer.stderr) == (1, True, True)


def init_command(source: str, place: Path) -> subprocess.CompletedProcess[str]:
    """The command as the Makefile calls it."""
    environment = {
        **os.environ,
        "SOURCE": source,
        "MIDNIGHT_HOME": str(place / "home"),
        "MIDNIGHT_CONFIG": str(place / "include"),
    }

    return subprocess.run(
        [sys.executable, "-m", "cli", "init"],
        env=environment,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
