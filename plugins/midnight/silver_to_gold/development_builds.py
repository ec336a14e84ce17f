"""Builds of gold by `make build`: recorded separately from the builds of runs.

A run neither publishes nor reuses a development build, so that its result only depends on the builds of runs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from midnight.errors import ConfigurationError, ConfigurationProblem
from midnight.lake.paths import LakePaths
from midnight.names import known_names
from midnight.silver_to_gold.builds import GoldBuild, read_builds
from midnight.silver_to_gold.models import GoldModel

RUN_ID = "make build"  # in place of the id of an Airflow run


@dataclass(frozen=True)
class DevelopmentBuild:
    """The models of a development build; all other models keep their existing table.

    Args:
        forced: models that are always built.
        considered: models that are built if their query, contract or inputs changed, as in a run.
    """

    forced: frozenset[str]
    considered: frozenset[str]


def plan_development_build(models: Sequence[GoldModel], model: str | None) -> DevelopmentBuild:
    """All models; or one model, the models that depend on it, and all models that these read.

    Args:
        models: each after the models that it references.
        model: name of the one model; None for all.

    Raises:
        ConfigurationError: there is no such model.
    """
    upstream = {each.name: _read_models(each) for each in models}
    if model is None:
        return DevelopmentBuild(frozenset(), frozenset(upstream))
    if model not in upstream:
        message = f"{model!r} is not a gold model; hint: {known_names(model, upstream)}"
        raise ConfigurationError([ConfigurationProblem("MODEL", None, "", message)])
    considered = {model}
    for name, read in upstream.items():
        if considered & read:
            considered.add(name)
    for name in reversed(upstream):
        if name in considered:
            considered |= upstream[name]
    return DevelopmentBuild(frozenset({model}), frozenset(considered))


def _read_models(model: GoldModel) -> set[str]:
    return {ref.removeprefix("gold.") for ref in model.references.values() if ref.startswith("gold.")}


def read_all_builds(paths: LakePaths, storage_options: Mapping[str, str] | None = None) -> list[GoldBuild]:
    """Every complete build of runs and of `make build`, oldest first.

    Raises:
        LakeError: a record cannot be read.
    """
    builds = [b for path in (paths.gold_builds, paths.development_builds) for b in read_builds(path, storage_options)]
    return sorted(builds, key=lambda build: (build.completed_at, build.build_id))


def find_builds(
    paths: LakePaths, build_ids: Collection[str], storage_options: Mapping[str, str] | None = None
) -> dict[str, GoldBuild]:
    """Some builds of runs or of `make build`, by id; the models of other builds are not read.

    Raises:
        LakeError: a record cannot be read.
    """
    found: dict[str, GoldBuild] = {}
    for path in (paths.gold_builds, paths.development_builds):
        missing = set(build_ids) - set(found)
        if missing:
            found |= {build.build_id: build for build in read_builds(path, storage_options, missing)}
    return found
