"""`make build` on a real lake: what it builds, and that it does not affect runs, publication or maintenance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from midnight.errors import ConfigurationError, QualityGateError
from midnight.gold_to_serving.publication import choose_build, newest_build, read_publication
from midnight.gold_to_serving.publish import publish_locally
from midnight.lake.files import open_local_lake
from midnight.lake.paths import LakePaths
from midnight.maintenance import KEEP_DEVELOPMENT_BUILDS, remove_expired_gold
from midnight.silver_to_gold.builds import read_builds
from midnight.silver_to_gold.development_builds import RUN_ID, plan_development_build, read_all_builds
from midnight.silver_to_gold.models import GoldModel
from spark_jobs.gold.run import build_gold
from tests.support.gold_lake import run_document, write_silver

FIRST, SECOND = "20131001T000000000Z-00000001", "20131002T000000000Z-00000002"


def model(name: str, reads: str, sql: str = "SELECT a, {v} AS v FROM {view}", v: str = "a", **contract) -> GoldModel:
    view = reads.replace(".", "__")
    return GoldModel.model_validate(
        {
            "name": name,
            "sql": sql.format(view=view, v=v),
            "references": {view: reads},
            "contract": {
                "description": name,
                "key": ["a"],
                "columns": [{"name": "a", "type": "INT"}, {"name": "v", "type": "INT"}],
                **contract,
            },
        }
    )


def chain(**values: str) -> list[GoldModel]:
    """silver.t -> base -> middle -> top, and ``other`` on silver.t; ``values``: model -> its column ``v``."""
    reads = {"base": "silver.t", "middle": "gold.base", "other": "silver.t", "top": "gold.middle"}
    return [model(name, read, v=values.get(name, "a")) for name, read in reads.items()]


@pytest.fixture
def paths(tmp_path) -> LakePaths:
    paths = LakePaths.below(str(tmp_path / "lake"))
    write_silver(paths, {"t": pa.table({"a": pa.array([1, 2, 3], pa.int32())})})
    return paths


def develop(session, paths, models, name=None):
    document = run_document(paths, FIRST, models=tuple(models)).model_copy(update={"run_id": RUN_ID})
    return build_gold(session, document, plan_development_build(models, name))


def built_by(build) -> set[str]:
    return {name for name, built in build.models.items() if built.built_in == build.build_id}


def test_one_model_is_built_with_what_depends_on_it(sail_session, paths):
    regular = build_gold(sail_session, run_document(paths, FIRST, models=chain()))
    build = develop(sail_session, paths, chain(), "middle")
    assert built_by(build) == {"middle", "top"}
    assert build.models.keys() == regular.models.keys()
    assert {name: build.models[name].path for name in ("base", "other")} == {
        name: regular.models[name].path for name in ("base", "other")
    }
    assert min(build.models[name].seconds for name in ("middle", "top")) > 0


def test_what_a_model_reads_is_built_if_it_changed_and_nothing_else(sail_session, paths):
    regular = build_gold(sail_session, run_document(paths, FIRST, models=chain(middle="v")))
    changed = chain(base="a + 1", middle="v", other="a + 2")
    build = develop(sail_session, paths, changed, "top")
    assert built_by(build) == {"base", "middle", "top"}
    assert build.models["other"] == regular.models["other"]
    assert built_by(develop(sail_session, paths, changed)) == {"other"}  # the next one builds the rest


def test_a_first_build_needs_no_run(sail_session, paths):
    build = develop(sail_session, paths, chain(), "base")
    assert built_by(build) == {"base", "middle", "top", "other"}
    assert read_builds(paths.gold_builds) == []


def test_a_run_neither_publishes_nor_reuses_a_development_build(sail_session, paths):
    regular = build_gold(sail_session, run_document(paths, FIRST, models=chain()))
    develop(sail_session, paths, chain(base="a + 1"))
    lake = open_local_lake()
    assert read_builds(paths.gold_builds) == [regular]
    assert choose_build(paths, lake, FIRST) == regular
    second = build_gold(sail_session, run_document(paths, SECOND, models=chain()))
    assert {name: built.path for name, built in second.models.items()} == {
        name: built.path for name, built in regular.models.items()
    }


def test_a_failed_check_leaves_the_builds_unchanged(sail_session, paths):
    build_gold(sail_session, run_document(paths, FIRST, models=chain()))
    before = read_all_builds(paths)
    check = {"name": "small", "rule": "range", "column": "v", "max": 2, "on_failure": "fail"}
    with pytest.raises(QualityGateError, match=r"gold.base: small \(range\) in 1 rows of 3 failed"):
        develop(sail_session, paths, [model("base", "silver.t", checks=[check])])
    assert read_all_builds(paths) == before


def test_publishing_the_newest_build_and_the_run_after_it(sail_session, paths, tmp_path):
    build_gold(sail_session, run_document(paths, FIRST, models=chain()))
    development = develop(sail_session, paths, chain(base="a + 1"))
    lake = open_local_lake()
    common = {
        "paths": paths,
        "files": lake,
        "configuration": tmp_path / "include",
        "database": tmp_path / "serving.duckdb",
        "run_id": "r",
    }
    assert publish_locally(batch_id=None, **common).build_id == development.build_id
    assert newest_build(paths, lake) == development
    assert publish_locally(batch_id=FIRST, **common).build_id != development.build_id
    regular = build_gold(sail_session, run_document(paths, SECOND, models=chain(base="a + 1")))
    assert publish_locally(batch_id=None, **common).build_id == regular.build_id


def test_maintenance_keeps_what_is_published_and_the_newest_development_builds(sail_session, paths, tmp_path):
    build_gold(sail_session, run_document(paths, FIRST, models=chain()))
    lake = open_local_lake()
    published = develop(sail_session, paths, chain(top="a + 100"))
    configuration, database = tmp_path / "include", tmp_path / "serving.duckdb"
    publish_locally(
        paths=paths, files=lake, configuration=configuration, database=database, batch_id=None, run_id="make publish"
    )
    builds = [develop(sail_session, paths, chain(top=f"a + {n}")) for n in range(KEEP_DEVELOPMENT_BUILDS + 1)]
    removed = remove_expired_gold(lake, paths, datetime.now(UTC) + timedelta(days=2))
    assert removed == (builds[0].models["top"].path,)
    assert read_publication(paths, lake).build_id == published.build_id


def test_an_unknown_model():
    with pytest.raises(ConfigurationError, match=r"MODEL: 'midle' is not a gold model; hint: did you mean 'middle'\?"):
        plan_development_build(chain(), "midle")
