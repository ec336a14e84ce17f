"""`midnight quarantine` on a real lake: list, explain, export."""

from __future__ import annotations

import csv
import io
import json
import stat

import pyarrow.parquet as pq
import pytest

from cli.commands import quarantine
from midnight.errors import MidnightError
from tests.support.quarantine_lake import write_airports

TABLE = """
schema: public
table: airports
silver: airports
key: [faa]
new_columns: ignore
columns:
  - {name: faa, type: text}
  - {name: lon, type: double precision, %s}
checks:
  - rule: range
    name: west
    column: lon
    max: 0
    description: The country lies in the west.
    owner: maps
    link: https://wiki.example.com/west
  - {rule: pattern, column: faa, regex: "[A-Z]{3}"}
"""


@pytest.fixture
def lake(tmp_path, monkeypatch):
    """A function that writes the configuration, whose lake has one old and one new row in quarantine."""
    home, config = tmp_path / "home", tmp_path / "include"
    (config / "tables").mkdir(parents=True)
    (config / "pipeline.yml").write_text("source: {name: s, connection: c}\nschedule: {timezone: America/New_York}\n")
    for name, value in {"HOME": home, "CONFIG": config, "LAKE": tmp_path / "lake"}.items():
        monkeypatch.setenv(f"MIDNIGHT_{name}", str(value))
    monkeypatch.delenv("MIDNIGHT_PROFILE", raising=False)
    old, new = ("west", "AAA", 1.0), ("west", "B,B", 2.5)
    write_airports(tmp_path / "lake", ("b0", [old], "applied"), ("b1", [old, new], "applied"))

    def configure(column: str = "description: longitude") -> None:
        (config / "tables" / "public.airports.yml").write_text(TABLE % column)

    configure()
    return configure


def test_list_shows_new_rows_owner_and_first_time(lake, capsys):
    assert quarantine.list_rules() == 0
    heading, line, hint = capsys.readouterr().out.splitlines()
    assert heading.split() == ["table", "rule", "rows", "new", "since", "owner"]
    assert line.split() == ["airports", "west", "2", "+1", "Sat", "31", "Oct", "2026,", "20:00", "maps"]
    assert "midnight quarantine explain" in hint
    quarantine.list_rules(as_json=True)
    [rule] = json.loads(capsys.readouterr().out)
    assert (rule["rows"], rule["new_rows"], rule["since"]) == (2, 1, "2026-11-01T00:00:00+00:00")


def test_explain_says_why_who_how_and_which_value(lake, capsys):
    quarantine.explain(table="public.airports")
    text = capsys.readouterr().out
    for expected in (
        "airports: west  2 rows in quarantine, 1 new",
        "lon is at most 0",
        "The country lies in the west.",
        "maps",
        "https://wiki.example.com/west",
        "correct the rows in public.airports",
    ):
        assert expected in " ".join(text.split()).replace("airports: west ", "airports: west  ")
    rows = [line.split() for line in text.splitlines() if "faa=" in line]
    assert rows == [["faa=B,B", "lon", "2.5", "new"], ["faa=AAA", "lon", "1.0"]]
    quarantine.explain(table="airports", rule="pattern_faa", as_json=True)
    [rule] = json.loads(capsys.readouterr().out)
    assert (rule["rows"], rule["examples"], rule["requirement"]) == (0, [], "faa matches the pattern [A-Z]{3}")


def test_a_value_of_a_masked_column_is_nowhere(lake, capsys, tmp_path):
    lake("bronze_type: text, mask: pseudonym")
    for call in (quarantine.explain, quarantine.export):
        call(table="airports")
    quarantine.explain(table="airports", as_json=True)
    quarantine.export(table="airports", form="parquet", output=tmp_path / "out.parquet")
    out = capsys.readouterr().out
    assert "2.5" not in out
    assert "(masked)" in out
    assert {"(masked)"} == set(pq.read_table(tmp_path / "out.parquet")["lon"].to_pylist())
    assert {"(masked)"} == set(pq.read_table(tmp_path / "out.parquet")["_midnight_reason"].to_pylist())


def test_export_has_each_row_with_its_rule_and_the_sources_columns(lake, capsys, tmp_path):
    quarantine.export(table="airports", rule="west")
    expected = {
        "_midnight_batch_id": "b1",
        "_midnight_rule": "west",
        "_midnight_reason": "lon: 2.5",
        "_midnight_key": '{"faa": "B,B"}',
        "faa": "B,B",
        "lon": "2.5",
    }
    assert list(csv.DictReader(io.StringIO(capsys.readouterr().out)))[1] == expected
    quarantine.export(table="airports", form="json")
    assert json.loads(capsys.readouterr().out)[1] == expected
    output = tmp_path / "out.parquet"
    quarantine.export(table="airports", form="parquet", output=output)
    assert pq.read_table(output).to_pylist()[1] == expected
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    assert capsys.readouterr().err == f"2 rejected rows of airports written to {output}\n"


def test_a_rule_without_rows_exports_none_and_an_unknown_one_is_an_error(lake, capsys):
    quarantine.export(table="airports", rule="pattern_faa", form="json")
    assert json.loads(capsys.readouterr().out) == []
    with pytest.raises(MidnightError, match=r"airports has no rule 'wset'; hint: .*west"):
        quarantine.explain(table="airports", rule="wset")
    with pytest.raises(MidnightError, match="is not configured"):
        quarantine.explain(table="airprots")
