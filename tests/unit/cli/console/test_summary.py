"""What a terminal of 80 columns shows of a run: every number and every date whole."""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb
import pytest
from rich.console import Console

from cli.console.summary import print_ledger, print_view
from midnight.lake.ledger import LedgerEntry


@pytest.fixture
def console() -> Console:
    return Console(width=80, highlight=False)


def entry(table: str, **counts: int) -> LedgerEntry:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    names = {"table": table, "source_table": f"public.{table}"}
    return LedgerEntry(batch_id="b", run_id="r", attempt_at=moment, status="applied", **names, **counts)


def test_the_ledger(console, capsys):
    flights = {"rows_in": 252_484, "inserted": 965, "updated": 40, "unchanged": 251_478, "quarantined": 1}
    print_ledger(console, [entry("flights", **flights, deleted=5, silver_after=252_483), entry("airlines")])
    out = capsys.readouterr().out
    assert "252,484    965    40 251,478     5       1 252,483" in out
    assert "zeros left out" in out
    assert max(map(len, out.splitlines())) <= 80
    every = flights | {"deleted": 5, "duplicates": 1_234, "dropped": 1_234, "quarantined": 252_484}
    print_ledger(console, [entry("flights", **every, silver_after=252_483)])
    out = capsys.readouterr().out
    assert out.split()[-9:] == ["252,484", "965", "40", "251,478", "5", "1,234", "1,234", "252,484", "252,483"]
    assert max(map(len, out.splitlines())) <= 80


def test_a_view(console, capsys, tmp_path):
    columns = ["DATE '2013-09-30' AS flight_date", "'AirTran Airways Corporation' AS airline_name"]
    columns += [f"{10**number} AS count_of_things_{number}" for number in range(1, 7)]
    with duckdb.connect(str(tmp_path / "serving.duckdb")) as connection:
        connection.execute(f"CREATE SCHEMA reporting; CREATE TABLE reporting.days AS SELECT {', '.join(columns)}")
    print_view(console, tmp_path / "serving.duckdb")
    out = capsys.readouterr().out
    assert ["2013-09-30" in out, "Corporation" in out, "10000" in out] == [True] * 3
    assert max(map(len, out.splitlines())) <= 80
