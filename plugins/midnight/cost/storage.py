"""Where the counted facts of a run are kept: one file per task and service run, in ``LakePaths.run_costs``.

A task that is tried again has another run in the service, which is billed as well: files are never replaced.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from midnight.cost.facts import CostFact
from midnight.lake.files import LakeFiles
from midnight.lake.many_files import read_many
from midnight.lake.paths import LakePaths


def write_facts(files: LakeFiles, paths: LakePaths, batch_id: str, name: str, facts: Sequence[CostFact]) -> None:
    """Keep the facts of a task; nothing is written without any.

    Args:
        files: of the lake.
        paths: of the lake.
        batch_id: of the run.
        name: of the file: the task, and the id of the service's run.
        facts: counted.

    Raises:
        LakeError: the file cannot be written.
    """
    if facts:
        content = [fact.model_dump(mode="json") for fact in facts]
        files.write_text(f"{paths.run_costs(batch_id)}/{name}.json", json.dumps(content, indent=1))


def read_facts(files: LakeFiles, paths: LakePaths, batch_id: str) -> list[CostFact]:
    """All facts of a run so far.

    Raises:
        LakeError: a file cannot be read.
    """
    folder = paths.run_costs(batch_id)
    names = sorted(name for name in files.list_names(folder) if name.endswith(".json"))
    texts = read_many(files, lambda name: files.read_text(f"{folder}/{name}"), names)
    return [CostFact.model_validate(fact) for text in texts for fact in json.loads(text or "[]")]
