"""What is computed from the summary of a run: figures that were not expected, and what the run cost."""

from __future__ import annotations

import logging

from midnight.configuration.pipeline import load_pipeline
from midnight.configuration.prices import load_prices
from midnight.errors import MidnightError, first_line
from midnight.lake.files import LakeFiles
from midnight.run.anomalies import anomalies_of_run
from midnight.run.costs import cost_of_run
from midnight.settings import Settings
from midnight.summary.document import RunSummary

log = logging.getLogger(__name__)


def with_anomalies(settings: Settings, lake: LakeFiles, summary: RunSummary) -> RunSummary:
    """The summary with the figures that were not expected; without them, and a warning, if they cannot be computed."""
    figures = summary.figures
    try:
        anomalies = anomalies_of_run(settings, lake, figures.batch_id, figures.run_id)
    except MidnightError as error:  # for example a configuration that is not valid, which is why the run failed
        log.warning("The figures of the run cannot be compared with what is expected: %s", first_line(error))
        return summary
    return summary.model_copy(update={"anomalies": anomalies})


def with_cost(settings: Settings, lake: LakeFiles, summary: RunSummary) -> RunSummary:
    """The summary with what the run has cost so far; without it if the prices are missing or cannot be read."""
    try:
        prices = load_prices(settings.config)
        if prices is None:
            return summary
        cost = cost_of_run(
            settings.paths,
            lake,
            pipeline=load_pipeline(settings.config),
            prices=prices,
            figures=summary.figures,
            entries=[table.entry for table in summary.tables if table.entry.run_id == summary.figures.run_id],
            models=summary.models,
            before=summary.earlier[-1] if summary.earlier else None,
        )
    except MidnightError as error:
        log.warning("The cost of the run cannot be computed: %s", first_line(error))
        return summary
    figures = summary.figures.model_copy(update={"cost": cost.total})
    return summary.model_copy(update={"cost": cost, "figures": figures})
