"""`midnight query` on a real serving file: what it prints, what it refuses, and that it changes nothing."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import threading
from decimal import Decimal

import duckdb
import pytest

from cli.commands import query
from midnight.errors import MidnightError
from midnight.settings import REPOSITORY
from tests.unit.conftest import SmallLake, sale


@pytest.fixture(scope="module")
def two_sales(tmp_path_factory: pytest.TempPathFactory) -> SmallLake:
    """A lake with two published sales."""
    lake = SmallLake(tmp_path_factory.mktemp("home"))
    lake.build("B1", [sale(1, note='it\'s "$HOME"'), sale(2)])
    lake.publish("B1")
    return lake


@pytest.fixture
def published(two_sales: SmallLake, monkeypatch: pytest.MonkeyPatch) -> SmallLake:
    """A published lake that the commands find by their variables; a test only adds rows to it."""
    monkeypatch.setenv("MIDNIGHT_HOME", str(two_sales.home))
    for name in ("FORMAT", "SQL", "MIDNIGHT_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    return two_sales


def printed(capsys, sql: str, form: str = "json") -> str:
    assert query.main(sql=sql, form=form) == 0
    return capsys.readouterr().out


def test_json_is_one_array_and_keeps_every_digit(published, capsys):
    text = printed(
        capsys,
        """SELECT 12345678901234567.8901::DECIMAL(21,4) AS exact, 1.50::DECIMAL(5,2) AS "two ""digits"" here",
        170141183460469231731687303715884105727 AS huge, 0.1::DOUBLE AS near, 'NaN'::DOUBLE AS nan,
        '-Infinity'::FLOAT AS less, DATE '2013-10-01' AS day, TIMESTAMP '2013-10-01 05:06:07.25' AS at,
        TIMESTAMPTZ '2013-10-01 05:06:07+02' AS zoned, TIME '05:06:00' AS clock, true AS yes, NULL AS nothing,
        '' AS empty, 'Nørre "x"\n' AS text, '\\xAB'::BLOB AS bytes, [1, NULL] AS list,
        {'a': 1.25, 'b': DATE '2013-10-01'} AS struct, MAP {'k': 'NaN'::DOUBLE} AS map""",
    )
    (row,) = json.loads(text, parse_float=Decimal)
    assert row == {
        "exact": Decimal("12345678901234567.8901"),
        'two "digits" here': Decimal("1.50"),
        "huge": 170141183460469231731687303715884105727,
        "near": Decimal("0.1"),
        "nan": "NaN",
        "less": "-Infinity",
        "day": "2013-10-01",
        "at": "2013-10-01T05:06:07.250000",
        "zoned": "2013-10-01T03:06:07+00:00",
        "clock": "05:06:00",
        "yes": True,
        "nothing": None,
        "empty": "",
        "text": 'Nørre "x"\n',
        "bytes": "ab",
        "list": [1, None],
        "struct": {"a": Decimal("1.25"), "b": "2013-10-01"},
        "map": {"k": "NaN"},
    }
    assert '"two \\"digits\\" here": 1.50' in text


@pytest.mark.parametrize(("rows", "expected"), [(0, 0), (1, 1), (12_001, 12_001)])
def test_json_of_no_one_and_many_rows(published, capsys, rows, expected):
    assert len(json.loads(printed(capsys, f"SELECT i, i::VARCHAR AS t FROM range({rows}) AS r(i)"))) == expected


def test_csv_tells_null_from_an_empty_text(published, capsys):
    text = printed(capsys, "SELECT NULL AS a, '' AS b, 'x,\"y\"\nz' AS c, 1.50::DECIMAL(4,2) AS d, ' ' AS e", "csv")
    assert text == 'a,b,c,d,e\n,"","x,""y""\nz",1.50," "\n'
    assert list(csv.reader(io.StringIO(text)))[1] == ["", "", 'x,"y"\nz', "1.50", " "]


def test_the_table_tells_null_from_texts(published, capsys):
    text = printed(capsys, "SELECT NULL AS a, 'NULL' AS b, '' AS c, ' x' AS d, 'a\x1b[31m' AS e, 1 AS f", "table")
    assert text.splitlines()[1].split() == ["NULL", "'NULL'", "''", "'", "x'", "a\\x1b[31m", "1"]
    assert text.splitlines()[2] == "(1 row)"


def test_a_long_table_says_that_it_is_not_all(published, capsys):
    lines = printed(capsys, "SELECT i AS a FROM range(1000) AS r(i)", "table").splitlines()
    assert (len(lines), lines[-1]) == (202, "(the first 200 rows; FORMAT=csv or FORMAT=json prints all)")


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT nothing FROM gold.fact_sale", "nothing"),
        ("SELECT * FROM gold.fact_sales", "fact_sales"),
        ("SELEC 1", 'syntax error at or near "SELEC"'),
        ("SELECT 1; SELECT 2", "must be one SELECT, not 2 statements"),
        ("DROP VIEW gold.fact_sale", "must be one SELECT"),
        ("COPY (SELECT 1) TO 'x.csv'", "must be one SELECT"),
        ("ATTACH 'x.duckdb'", "must be one SELECT"),
        ("-- nothing", "must be one SELECT, not 0 statements"),
        ("SELECT 1 AS a, 2 AS a", "'a' is the name of two columns; hint: rename one with AS"),
        ("SELECT 'x'::INTEGER AS a", "Could not convert string 'x' to INT32"),
    ],
)
def test_a_query_that_is_refused_gets_one_message(published, sql, expected):
    before = published.database.read_bytes()
    with pytest.raises(MidnightError) as caught:
        query.main(sql=sql, form="json")
    assert expected in str(caught.value)
    assert published.database.read_bytes() == before


def test_before_the_first_publication_and_in_azure(lake, monkeypatch):
    monkeypatch.setenv("MIDNIGHT_HOME", str(lake.home))
    with pytest.raises(MidnightError, match="does not exist, since nothing was published yet; hint: make up"):
        query.main(sql="SELECT 1")
    monkeypatch.setenv("MIDNIGHT_PROFILE", "azure")
    monkeypatch.setenv("MIDNIGHT_STORAGE_ACCOUNT", "account")
    monkeypatch.setenv("MIDNIGHT_DATABRICKS_JOB_ID", "7")
    with pytest.raises(MidnightError, match=r"`make query` works on the local lake, but MIDNIGHT_PROFILE is 'azure'"):
        query.main(sql="SELECT 1")


def make_query(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`make query …` with this Python in the place of the one that is installed, and nothing installed before."""
    return subprocess.run(
        ["make", "--old-file=.venv/.installed-run", "query", f"MIDNIGHT={sys.executable} -m cli", *arguments],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_make_and_the_shell_leave_the_query_as_it_was_written(published):
    sql = "SELECT\n  note AS \"it's $x\", '$(HOME) `id` \\ # %' AS b,\n  $$q$$ AS c\nFROM gold.fact_sale\n"
    sql += "WHERE note LIKE '%$HOME%'\n"
    expected = [{"it's $x": 'it\'s "$HOME"', "b": "$(HOME) `id` \\ # %", "c": "q"}]
    for done in (make_query(f"SQL={sql}", "FORMAT=json"), make_query(SQL=sql, FORMAT="json")):
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(done.stdout) == expected


@pytest.mark.slow
def test_how_the_command_ends(published):
    def code(*arguments: str) -> int:
        command = [sys.executable, "-m", "cli", "query", *arguments]
        return subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=False).returncode

    assert (code("SELECT 1 AS a"), code("SELECT a"), code(), code("SELECT 1", "--format", "xml")) == (0, 1, 2, 2)


def test_queries_go_on_while_runs_publish(published, capsys):
    """Each reader gets the two sales of one publication or the three of another, never an error."""
    published.build("B2", [sale(1), sale(2), sale(3)])
    stop, errors = threading.Event(), []

    def publish_again() -> None:
        try:
            while not stop.is_set():
                published.publish("B2")
        except (MidnightError, duckdb.Error) as error:
            errors.append(error)

    thread = threading.Thread(target=publish_again)
    thread.start()
    found = {printed(capsys, "SELECT count(*) AS n FROM gold.fact_sale") for _ in range(30)}
    stop.set()
    thread.join()
    assert errors == []
    assert found <= {'[{"n": 2}]\n', '[{"n": 3}]\n'}
