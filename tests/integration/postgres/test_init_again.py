"""``make init`` where a configuration exists: edited files stay, and a failure changes nothing."""

from __future__ import annotations

import shutil

import psycopg
import pytest

from cli.commands import init
from cli.instance.folder import Instance
from midnight.configuration.files import load_configuration
from midnight.errors import MidnightError
from midnight.lake.paths import LakePaths
from midnight.settings import REPOSITORY
from tests.support.init_command import files_of, run_init, url


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
