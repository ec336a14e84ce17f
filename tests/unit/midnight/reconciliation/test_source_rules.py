"""Rules that compare gold with the source: what is wrong in them, and how figures are compared."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from textwrap import dedent

import pytest

from midnight.configuration.yaml_document import YamlDocument
from midnight.errors import ReconciliationError
from midnight.reconciliation.source_figures import SourceFigures, compare_figures, figure_text
from midnight.reconciliation.source_statement import read_statement
from midnight.silver_to_gold.contract_problems import contract_problems
from midnight.silver_to_gold.models import GoldModelContract
from midnight.silver_to_gold.source_rules import masked_rule_problems, source_table_problems
from tests.support.sealed_batches import table

FIGURES = SourceFigures(
    model="sales", rule="per_day", columns=("day", "n", "total"), rows=(("2024-01-01", "2", "10"), (None, "1", None))
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (7, "7"),
        (7.0, "7"),
        (Decimal("7.00"), "7"),
        (Decimal("-0.0"), "0"),
        (0.1, "0.1"),
        (1e20, "100000000000000000000"),
        (float("nan"), "NaN"),
        (True, "true"),
        (None, None),
        ("7 ", "7 "),
        (date(2024, 1, 2), "2024-01-02"),
        (datetime(2024, 1, 2, 3, tzinfo=UTC), "2024-01-02 03:00:00.000000"),
    ],
)
def test_equal_values_have_the_same_text(value, text):
    assert figure_text(value) == text


def test_equal_figures_are_equal_in_any_order():
    record = compare_figures(FIGURES, [(None, "1", None), ("2024-01-01", "2", "10")], 1, 0)
    assert (record.status, record.rows, record.columns) == ("equal", 2, 2)


def test_each_group_that_differs_is_named_with_both_figures():
    record = compare_figures(FIGURES, [("2024-01-01", "3", "10"), ("2024-01-02", "1", "1")], 1, 0)
    assert record.status == "different"
    assert [(d.key[0][1], d.column, d.expected, d.found) for d in record.differences] == [
        ("2024-01-01", "n", "2", "3"),
        ("2024-01-02", "n", None, "1"),
        ("2024-01-02", "total", None, "1"),
        (None, "n", "1", None),
        (None, "total", None, None),
    ]
    assert "gold.sales, column 'n', key (day = '2024-01-01'): figure; source has '2', gold has '3'" in str(
        record.differences[0]
    )
    assert "gold has no such group" in record.differences[3].note


@pytest.mark.parametrize(("tolerance", "status"), [(0, "different"), (0.5, "equal"), (0.4, "different")])
def test_a_tolerance_is_a_difference_of_numbers(tolerance, status):
    record = compare_figures(FIGURES, [("2024-01-01", "2", "10.5"), (None, "1", None)], 1, tolerance)
    assert record.status == status


def test_a_group_that_occurs_twice_is_an_error():
    with pytest.raises(ReconciliationError, match="occurs twice"):
        compare_figures(FIGURES, [("2024-01-01", "1", "1"), ("2024-01-01", "1", "1")], 1, 0)


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT 1 AS n; SELECT 2 AS n", "is not a single SELECT"),
        ("DELETE FROM public.orders", "is not a single SELECT"),
        (
            "WITH gone AS (DELETE FROM public.orders RETURNING 1) SELECT count(*) AS n FROM gone",
            "DELETE is not allowed",
        ),
        ("SELECT count(*) AS n INTO public.copy FROM public.orders", "INTO is not allowed"),
        ("SELECT id AS n FROM public.orders FOR UPDATE", "LOCK is not allowed"),
        ("SELECT count(*) AS n FROM orders", "have no schema"),
        ("SELECT count(*) FROM public.orders", "does not return ['n']"),
        ("SELECT 1 AS n", "reads no table"),
        ("SELECT FROM WHERE", "is not valid SQL of PostgreSQL"),
    ],
)
def test_a_source_query_that_is_not_one_select_on_tables_with_a_schema_is_a_problem(sql, message):
    problems = read_statement(sql, ["n"]).problems
    assert message in "; ".join(problems)


def test_tables_of_ctes_joins_and_subqueries_are_found():
    sql = """
        WITH recent AS (SELECT * FROM sales.orders)
        SELECT count(*) AS n FROM recent JOIN public.customers USING (id)
        WHERE EXISTS (SELECT FROM public.lines) UNION ALL SELECT 1 FROM "Odd"."Table"
    """
    statement = read_statement(sql, ["n"])
    assert statement.problems == ()
    assert set(statement.tables) == {
        ("sales", "orders"),
        ("public", "customers"),
        ("public", "lines"),
        ("Odd", "Table"),
    }


def document(tmp_path, rules):
    path = tmp_path / "sql" / "gold" / "sales.yml"
    path.parent.mkdir(parents=True)
    text = "description: d\nkey: [day]\ncolumns:\n  - {name: day, type: DATE}\n  - {name: kind, type: STRING}\n"
    path.write_text(text + "reconcile:\n" + dedent(rules))
    return YamlDocument(path, tmp_path)


def problems_of(tmp_path, rules):
    file = document(tmp_path, rules)
    contract = file.validate(GoldModelContract)
    assert contract is not None, file.problems
    return contract, file, [str(problem) for problem in contract_problems(file, contract)]


def test_all_problems_of_a_rule_are_reported_with_their_lines(tmp_path):
    _, _, problems = problems_of(
        tmp_path,
        """\
          - name: a
            group_by: [dya]
            figures: {n: counts, total: sum(kind), day: max(other)}
            source: SELECT 1
          - name: a
            figures: {n: count}
            source: SELECT count(*) AS n FROM public.sales
        """,
    )
    text = "\n".join(problems)
    assert "'dya' is not a column of the model" in text
    assert "'counts' is not a figure" in text
    assert "'sum(kind)': 'kind' of type 'STRING' has no sum" in text
    assert "'other' is not a column of the model" in text
    assert "duplicate rule name 'a'" in text
    assert "sql/gold/sales.yml:8" in text


def test_tables_without_a_file_and_of_several_groups_are_problems(tmp_path):
    contract, _, problems = problems_of(
        tmp_path,
        """\
          - name: a
            figures: {n: count}
            source: SELECT count(*) AS n FROM public.sales
          - name: b
            figures: {n: count}
            source: SELECT count(*) AS n FROM public.one JOIN public.two USING (id)
        """,
    )
    assert problems == []
    tables = [table("one", {"id": "integer"}), table("two", {"id": "integer"}, group="other")]
    found = [str(problem) for problem in source_table_problems(tmp_path, {"sales": contract}, tables)]
    assert "['public.sales'], which no table file configures" in found[0]
    assert "the load groups ['main', 'other']" in found[1]


def test_a_masked_column_cannot_be_compared(tmp_path):
    contract, file, _ = problems_of(
        tmp_path,
        """\
          - name: a
            group_by: [kind]
            figures: {n: count}
            source: SELECT kind, count(*) AS n FROM public.sales GROUP BY 1
        """,
    )
    (problem,) = masked_rule_problems(file, contract, {"kind": "silver.sales.kind"})
    assert "'kind' shows silver.sales.kind, which is masked" in str(problem)


def test_groups_that_only_the_source_merges_are_explained():
    source = FIGURES.model_copy(update={"rows": (("Kiel", "3", "1"), ("Ulm", "1", "1"), ("Köln", "1", "1"))})
    gold = [("Kiel", "1", "1"), ("KIEL ", "2", "1"), ("Ulm", "2", "1"), ("Bonn", "1", "1"), ("Köln", "1", "1")]
    record = compare_figures(source, gold, 1, 0)
    explained = {d.key[0][1] for d in record.differences if 'COLLATE "C"' in d.note}
    assert explained == {"Kiel", "KIEL "}
    assert {d.key[0][1] for d in record.differences} == {"Kiel", "KIEL ", "Ulm", "Bonn"}
