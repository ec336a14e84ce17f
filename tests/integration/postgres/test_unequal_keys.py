"""Keys and foreign keys whose equality in PostgreSQL is not equality of texts: no row that it accepts is lost."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from deltalake import DeltaTable

from cli.commands import init
from cli.postgres.embedded import Server
from midnight.configuration.files import load_configuration
from midnight.settings import REPOSITORY, Settings, load_settings
from midnight.sql_text import quote_relation
from tests.support.ingest_run import run_sql
from tests.support.local_run import run_silver
from tests.support.other_postgres import needs_postgres

UNEQUAL = REPOSITORY / "tests/data" / "unequal_keys.sql"

# By constraint, why PostgreSQL and silver may disagree.
UNWRITTEN = {
    "login_email_fkey": "public.citext_eq",
    "login_other_fkey": "public.citext_eq",
    "item_code_fkey": "ignores trailing blanks",
    "port_country_fkey": "collation of country and name",
    "sale_wide_fkey": "no common type of 38 digits",
    "odd_use_amount_fkey": "1.0 and 1.00 differ",
    "mass_use_f_fkey": "real",
    "mass_use_d_fkey": "double precision",
    "mass_use_cross_type_fkey": "real and double precision",
    "day_use_at_fkey": "date and timestamp with time zone",
    "day_use_mixed_fkey": "date and timestamp without time zone",
    "thing_use_span_fkey": "interval",
    "thing_use_doc_fkey": "jsonb",
    "thing_use_ids_fkey": "integer[]",
    "thing_use_mixed_fkey": "cidr and inet",
    "thing_use_range_fkey": "numrange",
    "leaf_use_leaf_year_fkey": "not loaded",
    "loose_valid": "NOT VALID",
    "loose_enforced": "NOT ENFORCED",
    "switched_up_fkey": "switched off",
    "parent_up_fkey": "inheriting tables",
    "booking_room_during_fkey": "PERIOD",
}
WRITTEN = {
    *("item_padded_fkey", "labelled_code_fkey", "labelled_exact_fkey", "labelled_short_fkey", "sale_amount_fkey"),
    *("sale_level_fkey", "sale_small_fkey", "sale_big_fkey", "small_use_s_fkey", "day_use_day_fkey"),
    *("day_use_local_fkey", "day_use_late_fkey", "thing_use_id_fkey", "thing_use_colour_fkey", "thing_use_net_fkey"),
    *("thing_use_block_fkey", "thing_use_raw_fkey", "thing_use_money_fkey", "thing_use_yes_fkey"),
    *("pair_use_a_b_fkey", "pair_use_c_d_fkey", "tree_up_fkey", "part_use_part_year_fkey"),
}
# What PostgreSQL accepts on the next day: the same key written otherwise, and rows whose key is NaN or zero.
CHANGES = (
    "UPDATE account SET email = 'a@EXAMPLE.org'; INSERT INTO login VALUES (4, 'A@example.ORG', NULL)",
    "INSERT INTO item VALUES (4, 'm ', 'kg')",
    "INSERT INTO labelled VALUES (5, 'kg', ' kg', 'l'); INSERT INTO label VALUES ('  ', 'p')",
    "UPDATE price SET amount = 1.000 WHERE amount = 1; INSERT INTO sale VALUES (3, 1.0, 1, 1, 1, 1)",
    "UPDATE odd SET amount = 1.000 WHERE amount = 1; INSERT INTO odd_use VALUES (3, 1.0)",
    "INSERT INTO mass VALUES (1, 1); UPDATE mass_use SET cross_type = 1 WHERE id = 1",
    "UPDATE mass SET d = -7 WHERE d = 0.5",
    "INSERT INTO mass VALUES ('Infinity', '-Infinity'); INSERT INTO mass_use VALUES (3, 'Infinity', '-Infinity', NULL)",
    "INSERT INTO listed VALUES ('[5:6]={a,b}', 3); INSERT INTO pair VALUES (1, ' x')",
    "INSERT INTO pair_use VALUES (4, 1, ' x', 1, 'x '); INSERT INTO maybe VALUES (' a', 4)",
    "INSERT INTO booking VALUES (2, 1, '[2024-01-31,2024-02-02)')",
)


@pytest.fixture
def settings(database: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The configuration that ``make init`` writes for the database."""
    run_sql(database, UNEQUAL.read_text(encoding="utf-8"))
    monkeypatch.setenv("MIDNIGHT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MIDNIGHT_CONFIG", str(tmp_path / "include"))
    assert init.main(source=database.dsn) == 0
    return load_settings()


@pytest.mark.slow
@needs_postgres(18, "NOT ENFORCED and PERIOD")
def test_no_row_that_the_source_accepts_is_lost(settings: Settings, database: Server) -> None:
    tables = load_configuration(settings.config).tables
    texts = {file.name: file.read_text(encoding="utf-8") for file in (settings.config / "tables").glob("*.yml")}
    assert {check.label for table in tables for check in table.checks} == WRITTEN
    comments = " ".join(line.removeprefix("# ") for text in texts.values() for line in text.splitlines())
    for name, reason in UNWRITTEN.items():
        _, found, rest = comments.partition(f"No check for the foreign key {name} ")
        assert (name, bool(found), reason in rest.split("No check for")[0]) == (name, True, True)
    for name, text in texts.items():  # as strict as a check can be
        (settings.config / "tables" / name).write_text(text.replace("on_failure: warn", "on_failure: quarantine"))
    for number in (1, 2):
        entries, _ = run_silver(settings, database, f"2026010{number}T000000000Z-00000001")
        counts = _source_row_counts(database, [(t.schema_name, t.table, t.silver) for t in tables])
        assert {e.table: (e.status, e.silver_after, e.quarantined, e.duplicates) for e in entries} == {
            silver: ("applied", rows, 0, 0) for silver, rows in counts.items()
        }
        if number == 1:
            run_sql(database, *CHANGES)
    label = DeltaTable(settings.paths.silver_table("label")).to_pyarrow_table().column("code").to_pylist()
    assert sorted(label) == ["", "  ", " kg", "NA", "kg", "kg "]


def _source_row_counts(server: Server, tables: list[tuple[str, str, str]]) -> dict[str, int]:
    with psycopg.connect(server.dsn) as connection:
        return {
            silver: connection.execute(f"SELECT count(*) FROM {quote_relation(schema, table)}").fetchone()[0]
            for schema, table, silver in tables
        }
