"""What a person has released of a build, and what one could release of a build that failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from midnight.names import releasable_check, releasable_rule
from midnight.reconciliation.read_back import stop_on_difference
from midnight.run.document import RunDocument
from midnight.run.release import is_released, released_texts
from midnight.silver_to_gold.builds import CheckResult
from midnight.silver_to_gold.models import GoldModel

if TYPE_CHECKING:
    from midnight.reconciliation.record import LinkRecord


class Releases:
    """The releases of a run's gold.

    Args:
        document: of the run.

    Attributes:
        texts: model -> who released which of its failed checks, and why.
    """

    def __init__(self, document: RunDocument) -> None:
        self.texts = released_texts(document, "gold")
        self._document = document
        self._failed: list[str] = []
        self._all_releasable = True

    @property
    def releasable(self) -> tuple[str, ...]:
        """The failed checks that a person may release; none if one of them must not be released."""
        return tuple(self._failed) if self._all_releasable else ()

    def note(self, model: GoldModel, results: Sequence[CheckResult]) -> None:
        """Take note of the failed checks of a model.

        Keys and lengths of texts are not checks of the contract: with a wrong one the views would be wrong.
        """
        own = {check.label for check in model.contract.checks}
        for failed in (check.name for check in results if not check.passed and check.on_failure == "fail"):
            if failed in own:
                self._failed.append(releasable_check("gold", model.name, failed))
            else:
                self._all_releasable = False

    def stop_on_difference(self, records: Sequence[LinkRecord]) -> None:
        """Stop the build if a figure differs from the source, unless a person has released its rule.

        Args:
            records: one per rule of the models, in their order.

        Raises:
            ReconciliationError: a rule differs that is not released.
        """
        rules = [(model.name, rule.name) for model in self._document.models for rule in model.contract.reconcile]
        named = list(zip(rules, records, strict=True))
        for (model, rule), record in named:
            if record.status == "different" and is_released(self._document, releasable_rule(model, rule)):
                print(f"gold.{model}: warning: rule {rule!r} differs from the source, and is released", flush=True)
        rest = {names: record for names, record in named if not is_released(self._document, releasable_rule(*names))}
        stop_on_difference(
            list(rest.values()),
            "nothing was published; hint: correct the model, the rule or the source",
            [releasable_rule(*names) for names, record in rest.items() if record.status == "different"],
        )
