"""Which tables stop together, and the document that says so."""

from __future__ import annotations

from pathlib import Path

from midnight.bronze.batches import BronzeStore
from midnight.bronze.stopped_tables import (
    StoppedTable,
    read_stopped_tables,
    with_referencing_tables,
    write_stopped_tables,
)
from midnight.configuration.tables import Table
from midnight.lake.files import open_local_lake
from midnight.lake.paths import LakePaths


def table(name: str, *references: str) -> Table:
    rule = {"rule": "foreign_key", "columns": ["id"], "references": ["id"]}
    checks = [{**rule, "name": other, "table": other} for other in references]
    given = {"schema": "public", "table": name, "silver": name, "columns": [{"name": "id", "type": "integer"}]}
    return Table.model_validate({**given, "checks": checks})


def stopped(name: str) -> StoppedTable:
    return StoppedTable(table=f"public.{name}", silver=name, problems=(f"{name} is wrong",))


TABLES = [table("a"), table("b", "a"), table("c", "b"), table("d", "d", "e"), table("e", "d"), table("f", "a", "e")]


def test_references_are_followed_also_in_cycles() -> None:
    found = {t.silver: t.references for t in with_referencing_tables(TABLES, [stopped("a")])}
    assert found == {"a": (), "b": ("public.a",), "c": ("public.b",), "f": ("public.a",)}
    found = {t.silver: t.references for t in with_referencing_tables(TABLES, [stopped("e")])}
    assert found == {"d": ("public.e",), "e": ("public.d",), "f": ("public.e",)}
    assert with_referencing_tables(TABLES, []) == ()
    assert with_referencing_tables(TABLES[3:], [stopped("a")]) == ()  # not configured any more


def test_a_table_that_only_referenced_a_stopped_one_is_free_again() -> None:
    once = with_referencing_tables(TABLES, [stopped("a")])
    assert with_referencing_tables(TABLES, once) == once
    assert with_referencing_tables(TABLES, [t for t in once if not t.problems]) == ()


def test_the_document_is_replaced_by_each_attempt(tmp_path: Path) -> None:
    bronze = BronzeStore(open_local_lake(), LakePaths.below(str(tmp_path)), "shop")
    assert read_stopped_tables(bronze, ["main"], "b1") == ()
    write_stopped_tables(bronze, "main", "b1", [stopped("a"), stopped("b")])
    write_stopped_tables(bronze, "other", "b1", [stopped("c")])
    assert read_stopped_tables(bronze, ["main", "other"], "b1") == (stopped("a"), stopped("b"), stopped("c"))
    assert read_stopped_tables(bronze, ["main", "other"], "b2") == ()
    write_stopped_tables(bronze, "main", "b1", ())
    assert read_stopped_tables(bronze, ["main", "other"], "b1") == (stopped("c"),)


def test_the_message_names_problems_references_and_what_breaks() -> None:
    both, breaks = ("public.b", "public.c"), ("gold.x (y)",)
    message = StoppedTable(
        table="public.a", silver="a", problems=("p; hint: h",), references=both, breaks=breaks
    ).message
    assert message == (
        "p; hint: h; public.a references public.b, public.c, which are stopped; used downstream by gold.x (y)"
    )


def test_the_hint_of_a_problem_is_not_behind_its_lineage() -> None:
    breaks = tuple(f"gold.m{number}" for number in range(22))
    message = StoppedTable(table="public.a", silver="a", problems=("p; hint: h",), breaks=breaks).message
    assert message == (
        "p; used downstream by gold.m0, gold.m1, gold.m2 and 19 more (midnight lineage public.a); hint: h"
    )
