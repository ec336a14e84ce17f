"""No false alarm: every type with its extreme values, on both engines, read by the engine, pyarrow and DuckDB."""

from __future__ import annotations

import os
import random

import pytest

from midnight.bronze.manifest import CursorRange
from midnight.masking import MaskingKey
from midnight.reconciliation.run_records import read_step_records
from midnight.settings import REPOSITORY
from midnight.silver_to_gold.refresh.derive import refresh_plans
from spark_jobs.gold.run import build_gold
from spark_jobs.silver.run import build_silver
from tests.support.extreme_rows import extreme_rows, extreme_table
from tests.support.gold_models import model
from tests.support.sealed_batches import batch_id, document, seal

ROWS = 120


ENGINES = ["sail", pytest.param("spark", marks=pytest.mark.spark)]
# Apache Spark takes minutes for the others, and found nothing else: MIDNIGHT_PROVE_ON=spark runs them there.
ENGINE = os.environ.get("MIDNIGHT_PROVE_ON", "sail")


@pytest.fixture
def session(request):
    return request.getfixturevalue(f"{getattr(request, 'param', ENGINE)}_session")


def outcomes(lake, step="bronze_to_silver"):
    return [
        (record.link, record.table, record.status)
        for each in read_step_records(lake.reconciliation)
        if each.step == step
        for record in each.records
    ]


def copy_of(given):
    """A gold model with all columns of a table."""
    kinds = {"numeric": "DECIMAL", "integer": "INT", "double precision": "DOUBLE", "real": "FLOAT", "text": "STRING"}
    kinds |= {"bytea": "BINARY", "timestamp with time zone": "TIMESTAMP", "timestamp without time zone": "TIMESTAMP"}
    types = []
    for column in given.columns:
        base = column.type.partition("(")[0]
        base = "text" if base == "character" else base
        size = column.type[column.type.index("(") :] if base == "numeric" else ""
        types.append(f"{column.name} {kinds.get(base, base.upper())}{size}")
    names = ", ".join(column.name for column in given.columns)
    declared = ", ".join(types).replace("(5,0)", "(5,0)")
    made = model("copied", f"SELECT {names} FROM silver__{given.silver}", "id INT", ("id",))
    columns = [{"name": each.split(" ", 1)[0], "type": each.split(" ", 1)[1]} for each in types]
    contract = type(made.contract).model_validate({"description": declared, "key": ["id"], "columns": columns})
    references = {f"silver__{given.silver}": f"silver.{given.silver}"}
    return made.model_copy(update={"contract": contract, "references": references})


@pytest.mark.parametrize("session", ENGINES, indirect=True)
def test_every_type_from_bronze_to_the_view(session, lake, tmp_path):
    from midnight.gold_to_serving.publish import publish_locally
    from midnight.lake.files import open_local_lake

    given = extreme_table(key=["id"])
    copied = copy_of(given)
    for number in (1, 2):
        batch = seal(lake, given, number, extreme_rows(number, ROWS + number))
        plans = refresh_plans((copied,), (given,))
        plan = document(lake, number, (given, batch)).model_copy(update={"models": (copied,), "refresh": plans})
        build_silver(session, plan)
        build = build_gold(session, plan)
    open_local_lake().write_text(lake.run_document(plan.batch_id), plan.to_json())
    (tmp_path / "include/sql/serving").mkdir(parents=True)
    publish_locally(
        paths=lake,
        files=open_local_lake(),
        configuration=tmp_path / "include",
        database=tmp_path / "serving.duckdb",
        batch_id=build.batch_id,
        run_id="r",
    )
    for step in ("bronze_to_silver", "silver_to_gold", "gold_to_serving"):
        assert outcomes(lake, step)
        assert {status for _, _, status in outcomes(lake, step)} == {"equal"}
    assert ("bronze = silver", "extremes", "equal") in outcomes(lake)


@pytest.mark.parametrize("duplicates", ["keep", "drop"])
def test_rows_without_a_key(session, lake, duplicates):
    given = extreme_table(duplicates=duplicates)
    for number in (1, 2, 3):
        rows = extreme_rows(number, 60)
        batch = seal(lake, given, number, [*rows, *rows[: 10 * number]])
        build_silver(session, document(lake, number, (given, batch)))
    assert {status for _, _, status in outcomes(lake)} == {"equal"}
    assert ("bronze = silver", "extremes", "equal") in outcomes(lake)


def test_duplicates_quarantined_and_dropped_rows_are_accounted_for(session, lake):
    given = extreme_table(
        key=["c1", "c8"],
        order_by=["id desc"],
        checks=[{"rule": "range", "column": "c0", "max": 100}, {"rule": "not_null", "columns": ["c2"]}],
    )
    columns = [c.model_copy(update={"nulls": "drop_row"}) if c.name == "c3" else c for c in given.columns]
    given = given.model_copy(update={"columns": tuple(columns)})
    for number in (1, 2):
        batch = seal(lake, given, number, extreme_rows(number, ROWS))
        (entry,) = build_silver(session, document(lake, number, (given, batch)))
        assert min(entry.duplicates, entry.quarantined, entry.dropped) > 0
    assert {status for _, _, status in outcomes(lake)} == {"equal"}
    assert {link for link, table, _ in outcomes(lake) if table == "extremes"} == {
        "written = read back",
        "bronze = silver",
    }


def test_increments(session, lake):
    given = extreme_table(key=["id"], mode="incremental", cursor="c2")
    chance = random.Random(1)  # noqa: S311 - a test
    chain = []
    for number in range(1, 5):
        rows = extreme_rows(number, ROWS)
        chosen = rows if number == 1 else chance.sample(rows, 30)
        cursor = CursorRange(
            column="c2",
            key=("id",),
            since=None if number == 1 else "0",
            follows="" if number == 1 else batch_id(number - 1),
            full_snapshot=batch_id(1),
        )
        chain.append(seal(lake, given, number, chosen, cursor=cursor))
        (entry,) = build_silver(session, document(lake, number, (given, chain)))
        assert entry.rows_in == len(chosen)
    assert outcomes(lake).count(("bronze = silver", "extremes", "equal")) == 4
    assert {status for _, _, status in outcomes(lake)} == {"equal"}


def test_masked_and_cast_columns_are_left_out_of_the_comparison_with_bronze(session, lake):
    given = extreme_table(key=["id"], new_columns="ignore")
    masked = {"c14": {"mask": "pseudonym"}, "c1": {"cast": "bigint"}, "c4": {"nulls": {"fill": 0}}}
    fields = [c.model_dump(exclude_defaults=True) | {"type": c.type} | masked.get(c.name, {}) for c in given.columns]
    given = type(given).model_validate(given.model_dump(by_alias=True) | {"columns": fields})
    for number in (1, 2):
        batch = seal(lake, given, number, extreme_rows(number, ROWS))
        build_silver(session, document(lake, number, (given, batch)), MaskingKey(REPOSITORY.name.encode() * 8))
    (record,) = [r for r in read_step_records(lake.reconciliation)[-1].records if r.link == "bronze = silver"]
    assert record.reason == "not compared, since rules change them: c1, c14, c4"
    assert {status for _, _, status in outcomes(lake)} == {"equal"}
