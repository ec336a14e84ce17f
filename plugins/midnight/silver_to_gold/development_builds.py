"""Builds of gold that a person makes by `make build`: recorded next to those of the runs, and seen by no run.

A run neither publishes nor reuses one of them, so that what the night shows depends on its own build alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from midnight.errors import ConfigurationError, ConfigurationProblem
from midnight.lake.paths import LakePaths
from midnight.names import known_names
from midnight.silver_to_gold.builds import GoldBuild, read_builds
from midnight.silver_to_gold.models import GoldModel

RUN_ID = "make build"  # in place of the id of an Airflow run


@dataclass(frozen=True)
class DevelopmentBuild:
    """What a development build builds; of all other models it takes the table that is there.

    Args:
        forced: models that are built whatever changed.
        considered: models that are built when their query, contract or inputs changed, as in a run.
    """

    forced: frozenset[str]
    considered: frozenset[str]


def plan_development_build(models: Sequence[GoldModel], model: str | None) -> DevelopmentBuild:
    """All models, or one model, those that depend on it, and what all of these read.

    Args:
        models: each after those that it refers to.
        model: name of the one model.

    Raises:
        ConfigurationError: there is no such model.
    """
    upstream = {each.name: _read_models(each) for each in models}
    if model is None:
        return DevelopmentBuild(frozenset(), frozenset(upstream))
    if model not in upstream:
        message = f"{model!r} is not a gold model; {known_names(model, upstream)}"
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
    """Every complete build, those of runs and those of `make build`, oldest first.

    Raises:
        LakeError: a record cannot be read.
    """
    builds = [b for path in (paths.gold_builds, paths.development_builds) for b in read_builds(path, storage_options)]
    return sorted(builds, key=lambda build: (build.completed_at, build.build_id))
