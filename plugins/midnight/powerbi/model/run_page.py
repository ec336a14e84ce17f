"""The generated page *Data quality*, its tables over the schema ``midnight``, and its measures.

Its measures are DAX without the condition of other measures (``dax_of``): a card such as *Data up to* stands on any
page, whatever a reader selects there.
"""

from __future__ import annotations

from midnight.gold_to_serving.run_views import RUN_SCHEMA, RUN_VIEWS
from midnight.powerbi.model.definition import ModelTable, Page, PowerBiDefinition, Visual
from midnight.powerbi.model.measures import Measure

RUNS, CHECKS, QUARANTINE = "Midnight runs", "Midnight checks", "Midnight quarantine"
_VIEWS = {RUNS: "runs", CHECKS: "checks", QUARANTINE: "quarantine_counts"}
DATA_UP_TO, PUBLISHED_AT = "Data up to (UTC)", "Published at (UTC)"
_NEWEST = f"MAX('{RUNS}'[Due])"
_MINUTES, _COUNT = "yyyy-mm-dd hh:nn", "#,0"


def with_run_page(definition: PowerBiDefinition) -> PowerBiDefinition:
    """The definition with the page, unless it says ``data_quality: false``."""
    if not definition.data_quality:
        return definition
    tables = {
        name: ModelTable(view=f"{RUN_SCHEMA}.{view}", description=_described(view)) for name, view in _VIEWS.items()
    }
    return definition.model_copy(
        update={
            "tables": {**definition.tables, **tables},
            "measures": (*definition.measures, *_measures()),
            "pages": (*definition.pages, _page()),
        }
    )


def _described(name: str) -> str:
    return next(view.description for view in RUN_VIEWS if view.name == name)


def _measures() -> tuple[Measure, ...]:
    return (
        _measure(RUNS, DATA_UP_TO, f"MAX('{RUNS}'[Data up to])", _MINUTES, "Up to when the data are complete"),
        _measure(RUNS, PUBLISHED_AT, f"MAX('{RUNS}'[Published at])", _MINUTES, "When the data were published"),
        _of_newest(RUNS, "Rows in quarantine", "Quarantined", "Rows kept out of the tables by the newest run"),
        _of_newest(RUNS, "New rows in quarantine", "Quarantined new", "Of these, rows that were not there before"),
        _of_newest(RUNS, "Rows with a warning", "Warnings", "Rows that fail a check, but are in the tables"),
        _of_newest(CHECKS, "Rows that fail", "Failed rows", "Rows that fail a check in the newest run"),
        _of_newest(CHECKS, "Rows checked", "Rows", "Rows that were checked in the newest run"),
        _of_newest(QUARANTINE, "Rows kept out", "Rows", "Rows that a rule keeps out in the newest run"),
        _of_newest(QUARANTINE, "New rows kept out", "New rows", "Of these, rows that were not there before"),
    )


def _measure(table: str, name: str, dax: str, number_format: str, description: str) -> Measure:
    return Measure(name=name, table=table, dax=dax, format=number_format, description=description)


def _of_newest(table: str, name: str, column: str, description: str) -> Measure:
    """A column of the newest run that the selection has; on an axis of runs, of each run."""
    rows = f"FILTER('{table}', '{table}'[Due] = {_NEWEST})"
    return _measure(table, name, f"SUMX({rows}, '{table}'[{column}])", _COUNT, description)


def _page() -> Page:
    def card(measure: str, title: str, column: int, width: int) -> Visual:
        return Visual(kind="card", title=title, values=(f"[{measure}]",), at=(column, 0, width, 2))

    return Page(
        title="Data quality",
        question="How recent are the data, and which rows are wrong?",
        visuals=(
            card(DATA_UP_TO, DATA_UP_TO, 0, 3),
            card(PUBLISHED_AT, PUBLISHED_AT, 3, 3),
            card("Rows in quarantine", "Rows in quarantine", 6, 2),
            card("New rows in quarantine", "New since the run before", 8, 2),
            card("Rows with a warning", "Rows with a warning", 10, 2),
            Visual(
                kind="line",
                title="Rows in quarantine and with a warning by run",
                category=f"{RUNS}[Due]",
                values=("[Rows in quarantine]", "[Rows with a warning]"),
                at=(0, 2, 12, 2),
            ),
            Visual(
                kind="table",
                title="Rules that keep rows out",
                values=(
                    f"{QUARANTINE}[Table]",
                    f"{QUARANTINE}[Requirement]",
                    f"{QUARANTINE}[Owner]",
                    "[Rows kept out]",
                    "[New rows kept out]",
                ),
                at=(0, 4, 6, 4),
            ),
            Visual(
                kind="table",
                title="Checks and the rows that fail them",
                values=(
                    f"{CHECKS}[Table]",
                    f"{CHECKS}[Requirement]",
                    f"{CHECKS}[On failure]",
                    "[Rows that fail]",
                    "[Rows checked]",
                ),
                at=(6, 4, 6, 4),
            ),
        ),
    )
