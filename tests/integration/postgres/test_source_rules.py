"""Reconciliation rules of gold models: the source computes their figures in the snapshot that bronze is read from."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from midnight.errors import SourceMismatchError
from midnight.reconciliation.source_figures import FigureQuery, parse_figures
from midnight.run.document import TableWork
from midnight.run.source_figures import read_figures
from midnight.silver_to_gold.models import ReconciliationRule
from midnight.silver_to_gold.source_rules import figure_queries
from tests.support.gold_models import model
from tests.support.ingest_run import configure, run_sql

SOURCE = "SELECT kind, count(*) AS orders, sum(amount) AS amount FROM public.orders GROUP BY kind"
RULE = ReconciliationRule(
    name="orders_per_kind", group_by=("kind",), figures={"orders": "count", "amount": "sum(amount)"}, source=SOURCE
)


def with_rule(rule: ReconciliationRule):
    made = model("orders", "SELECT * FROM silver__orders", "id INT, kind STRING, amount DECIMAL(12,2)", ("id",))
    return made.model_copy(update={"contract": made.contract.model_copy(update={"reconcile": (rule,)})})


@pytest.fixture
def orders(database):
    run_sql(
        database,
        "CREATE SEQUENCE numbers",
        "CREATE TABLE orders (id int PRIMARY KEY, kind text, amount numeric(12,2))",
        "INSERT INTO orders SELECT i, CASE WHEN i % 10 > 0 THEN 'k' || i % 3 END, i * 1.25 "
        "FROM generate_series(1, 99) i",
    )
    return configure(database, "orders", key=["id"])


def ingest(bronze, database, orders, rule=RULE, **options):
    queries = figure_queries({"orders": with_rule(rule).contract})
    bronze.ingest(database, orders, figures=queries, **options)
    work = TableWork(table=orders, batches=(bronze.manifest(orders),))
    return read_figures([with_rule(rule)], [work], bronze.store)


def test_the_figures_are_those_of_the_snapshot(database, bronze, orders, monkeypatch):
    """A transaction that commits while the tables are read is in none of them."""
    from midnight.postgres_to_bronze import load_group
    from midnight.postgres_to_bronze.source_figures import keep_source_figures

    async def write_then_read(*given, **named):
        with psycopg.connect(database.dsn, autocommit=True) as connection:
            connection.execute("INSERT INTO orders VALUES (1000, 'k0', 1)")
        await keep_source_figures(*given, **named)

    monkeypatch.setattr(load_group, "keep_source_figures", write_then_read)
    (figures,) = ingest(bronze, database, orders)
    rows = bronze.read(orders).to_pylist()
    expected: dict[str, tuple[int, Any]] = {}
    for row in rows:
        count, total = expected.get(row["kind"], (0, 0))
        expected[row["kind"]] = (count + 1, total + row["amount"])
    assert {r[0]: (int(r[1]), r[2]) for r in figures.rows} == {
        kind: (count, f"{total.normalize():f}") for kind, (count, total) in expected.items()
    }
    assert len(rows) == 99
    assert figures.lsn == bronze.manifest(orders).read_from.lsn


def test_a_retry_keeps_the_figures_of_the_sealed_batch(database, bronze, orders):
    (first,) = ingest(bronze, database, orders)
    run_sql(database, "DELETE FROM orders")
    (again,) = ingest(bronze, database, orders)
    assert first == again
    assert first.rows


def test_values_that_python_cannot_hold(database, bronze, orders):
    shown = {
        "d": ("date '2024-02-29'", "2024-02-29"),
        "e": ("date 'infinity'", "infinity"),
        "f": ("date '4713-01-01 BC'", "4713-01-01 BC"),
        "g": ("timestamp '2024-02-29 01:02:03.4'", "2024-02-29 01:02:03.400000"),
        "h": ("timestamptz '2024-02-29 01:02:03.000004+01'", "2024-02-29 00:02:03.000004"),
        "i": ("timestamp '294276-12-31 23:59:59.999999'", "294276-12-31 23:59:59.999999"),
        "j": ("timestamptz '-infinity'", "-infinity"),
        "k": ("numeric '12345678901234567890123456789012.560'", "12345678901234567890123456789012.56"),
        "l": ("NULL::timestamp", None),
    }
    sql = f"SELECT {', '.join(f'{value} AS {name}' for name, (value, _) in shown.items())} FROM public.orders LIMIT 1"
    query = FigureQuery("orders", RULE.name, sql, tuple(shown), 1, (("public", "orders"),))
    bronze.ingest(database, orders, figures=[query])
    path = bronze.paths.source_figures("test", "main", bronze.manifest(orders).batch_id)
    (figures,) = parse_figures(bronze.lake.read_text(path), path)
    assert dict(zip(figures.columns, figures.rows[0], strict=True)) == {n: text for n, (_, text) in shown.items()}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("SELECT kind, 1 AS orders, time '24:00' AS amount FROM public.orders", "a value that Python cannot hold"),
        ("SELECT kind, nothing AS orders, 1 AS amount FROM public.orders", 'column "nothing" does not exist'),
        ("SELECT kind, count(*) AS orders, 1/0 AS amount FROM public.orders GROUP BY 1", "division by zero"),
        ("SELECT kind, 1 AS orders, 1 AS amount FROM public.orders; DROP TABLE orders", "syntax error"),
        (
            "SELECT kind, 1 AS orders, nextval('public.numbers') AS amount FROM public.orders",
            "read-only transaction",
        ),
    ],
)
def test_a_wrong_query_stops_the_group_before_anything_is_sealed(database, bronze, orders, source, message):
    query = FigureQuery("orders", "r", source, ("kind", "orders", "amount"), 1, (("public", "orders"),))
    with pytest.raises(SourceMismatchError, match=rf"rule 'r' of gold\.orders.*{message}"):
        bronze.ingest(database, orders, figures=[query])
    assert bronze.manifest(orders) is None
    assert bronze.files() == []


def test_a_rule_that_was_added_later_has_no_figures(database, bronze, orders):
    bronze.ingest(database, orders)
    work = TableWork(table=orders, batches=(bronze.manifest(orders),))
    (figures,) = read_figures([with_rule(RULE)], [work], bronze.store)
    assert figures.reason == "the rule was added or changed after the tables were read"
    assert figures.rows == ()


def test_batches_of_data_factory_have_no_figures(database, bronze, orders):
    bronze.ingest(database, orders)
    copied = bronze.manifest(orders).model_copy(update={"written_by": "adf"})
    (figures,) = read_figures([with_rule(RULE)], [TableWork(table=orders, batches=(copied,))], bronze.store)
    assert "Data Factory" in figures.reason


def test_the_file_of_the_figures_is_read_again(database, bronze, orders):
    ingest(bronze, database, orders)
    (path,) = [path for path in bronze.files() if path.endswith(".figures")]
    (figures,) = parse_figures((bronze.root / path).read_text(), path)
    assert (figures.model, figures.rule, figures.columns) == ("orders", "orders_per_kind", RULE.columns)


@pytest.mark.parametrize(("deletes", "reason"), [("snapshot", "deleted rows of public.orders stay"), ("keys", "")])
def test_a_rule_is_compared_where_silver_loses_deleted_rows(database, bronze, orders, deletes, reason):
    table = configure(database, "orders", key=["id"], mode="incremental", cursor="xmin", deletes=deletes)
    (first,) = ingest(bronze, database, table)
    assert first.reason == ""
    run_sql(database, "DELETE FROM orders WHERE id = 5", "UPDATE orders SET amount = 1 WHERE id = 6")
    (second,) = ingest(bronze, database, table, batch_id="20260102T000000000Z-00000001")
    assert bronze.manifest(table).mode == "incremental"
    assert second.reason.startswith(reason)
    assert bool(second.rows) == (not reason)
