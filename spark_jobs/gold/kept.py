"""Models that keep their last table, because the run has stopped a table that they depend on."""

from __future__ import annotations

from midnight.run.document import RunDocument
from midnight.silver_to_gold.builds import BuiltModel, GoldBuild
from midnight.silver_to_gold.kept_models import models_to_keep
from midnight.silver_to_gold.models import GoldModel


class KeptModels:
    """The models that a build takes over from the last one, whatever changed since.

    Args:
        document: of the run.
        last: the last build; None if there is none.

    Attributes:
        tables: model -> its last table; a model that was never built has none, and the build lacks it.
    """

    def __init__(self, document: RunDocument, last: GoldBuild | None) -> None:
        self._stopped = models_to_keep(document.models, {table.silver for table in document.stopped})
        models = {} if last is None else last.models
        self.tables: dict[str, BuiltModel] = {name: models[name] for name in self._stopped if name in models}

    def __contains__(self, model: GoldModel) -> bool:
        return model.name in self._stopped

    def take(self, model: GoldModel, built: dict[str, BuiltModel]) -> None:
        """Add the last table of a model to the build."""
        stopped = ", ".join(f"silver.{name}" for name in self._stopped[model.name])
        last = self.tables.get(model.name)
        if last is None:
            print(
                f"gold.{model.name}: not built: this run does not load {stopped}, and no earlier build has the model",
                flush=True,
            )
        else:
            built[model.name] = last
            print(f"gold.{model.name}: keeps build {last.built_in}: this run does not load {stopped}", flush=True)
