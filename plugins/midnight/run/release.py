"""The release of a publication that failed checks or a difference from the source have stopped, by a person.

A release holds for one run. Its checks only warn in the run document, so that the jobs apply them as if they were
configured so; the next run has the checks as configured, and evaluates the tables and models again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from midnight.configuration.checks import BaseCheck
from midnight.errors import LakeError
from midnight.lake.files import LakeFiles
from midnight.lake.paths import LakePaths
from midnight.names import releasable_check
from midnight.run.document import Release, RunDocument, read_run_document


def record_release(lake: LakeFiles, paths: LakePaths, batch_id: str, release: Release) -> None:
    """Write a release into the run document.

    Args:
        lake: writes it.
        paths: of the lake.
        batch_id: of the run.
        release: the decision.

    Raises:
        LakeError: the run has no document any more, or it cannot be written.
    """
    document = read_run_document(lake, paths, batch_id)
    if document is None:
        path = paths.run_document(batch_id)
        raise LakeError(f"run document {path!r} does not exist; hint: clear the task plan_batch")
    lake.write_text(paths.run_document(batch_id), with_release(document, release).to_json())


def with_release(document: RunDocument, release: Release) -> RunDocument:
    """The document in which the released checks only warn."""
    tables = tuple(
        work.model_copy(update={"table": _released(work.table, "silver", work.table.silver, release)})
        for work in document.tables
    )
    models = tuple(
        model.model_copy(update={"contract": _released(model.contract, "gold", model.name, release)})
        for model in document.models
    )
    return document.model_copy(update={"tables": tables, "models": models, "releases": (*document.releases, release)})


def released_texts(document: RunDocument, layer: Literal["silver", "gold"]) -> Mapping[str, str]:
    """Silver table or gold model -> who released what, and why, for the ledger and the record of the build."""
    found: dict[str, list[str]] = {}
    for release in document.releases:
        names: dict[str, list[str]] = {}
        for one in release.releasable:
            kind, name, check = one.split("/", 2)
            if kind in (("silver",) if layer == "silver" else ("gold", "rule")):
                names.setdefault(name, []).append(check)
        for name, checks in names.items():
            text = f"{', '.join(checks)}: released by {release.by} at {release.at:%Y-%m-%d %H:%M} UTC: {release.reason}"
            found.setdefault(name, []).append(text)
    return {name: "; ".join(texts) for name, texts in found.items()}


def release_messages(document: RunDocument) -> tuple[str, ...]:
    """Each release of a run, for people."""
    return tuple(
        f"{', '.join(name.replace('/', '.', 1).replace('/', ': ') for name in release.releasable)}: released by "
        f"{release.by} at {release.at:%Y-%m-%d %H:%M} UTC: {release.reason}"
        for release in document.releases
    )


def is_released(document: RunDocument, name: str) -> bool:
    """Whether something that would stop the run is released, such as a ``releasable_rule``."""
    return any(name in release.releasable for release in document.releases)


def _released(owner: Any, layer: Literal["silver", "gold"], name: str, release: Release) -> Any:
    """A table or contract with checks that only warn where they are released."""

    def check_of(check: BaseCheck) -> BaseCheck:
        is_named = releasable_check(layer, name, check.label) in release.releasable
        return check.model_copy(update={"on_failure": "warn"}) if is_named else check

    return owner.model_copy(update={"checks": tuple(check_of(check) for check in owner.checks)})
