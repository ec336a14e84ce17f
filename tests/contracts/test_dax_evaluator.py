"""The evaluator of DAX (dax_evaluator.py) refuses what it does not know, and keeps a reader's selection."""

from __future__ import annotations

import pandas as pd
import pytest

from midnight.powerbi.model.measures import Measure, dax_of
from tests.contracts.dax_evaluator import DaxModel, UnsupportedDaxError


@pytest.mark.parametrize(
    "expression",
    [
        "SUMMARIZE('T', 'T'[a])",
        "CALCULATE(SUM('T'[a]), ALLEXCEPT('T', 'T'[a]))",
        "CALCULATE(SUM('T'[a]), 'T'[a] > 1)",
        "SUMX('T', [M])",
        "'T'[a]",
        "1 / 2",
        "VAR x = 1 RETURN y",
    ],
)
def test_what_the_evaluator_does_not_know_is_refused(expression: str) -> None:
    model = DaxModel({"T": pd.DataFrame({"a": [1, 2]})}, [], {"M": "SUM('T'[a])", "X": expression})
    with pytest.raises((UnsupportedDaxError, KeyError)):
        model.value("X", {})


def test_a_selection_of_the_reader_is_kept() -> None:
    """Late flights only: none of them was on time, and the share is 0, not that of all flights."""
    rows = pd.DataFrame({"Outcome": ["Late", "On time", "On time"]})
    measure = Measure(
        name="On time", table="T", rows=True, where={"outcome": "On time"}, format="0", description="on time"
    )
    replacing = "CALCULATE(COUNTROWS('T'), 'T'[Outcome] = \"On time\")"
    model = DaxModel({"T": rows}, [], {"Kept": dax_of(measure, None, ()), "Replaced": replacing})
    assert model.value("Replaced", {("T", "Outcome"): ["Late"]}) == 2
    assert model.value("Kept", {("T", "Outcome"): ["Late"]}) == 0
    assert model.value("Kept", {("T", "Outcome"): ["Cancelled"]}) is None
