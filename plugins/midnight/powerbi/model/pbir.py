"""The report in the enhanced format (PBIR): one JSON document per page and visual."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from midnight.powerbi.model.definition import GRID_COLUMNS, GRID_ROWS, Page, Visual, split_field
from midnight.powerbi.model.folder_names import QUESTION, folder_names
from midnight.powerbi.model.phone import phone_layout
from midnight.powerbi.model.semantic_model import SemanticModel
from midnight.powerbi.model.theme import theme_file

_REPORT = "https://developer.microsoft.com/json-schemas/fabric/item/report"
WIDTH, HEIGHT = 1280, 720  # pixels of a page
_MARGIN, _HEADER = 16, 56
_REGISTERED = "RegisteredResources"
_VERSIONS = {"visual": "1.8.95", "report": "2.0.95", "page": "1.3.95"}
# A theme that is part of Power BI: the report's own theme is applied over it.
_BASE_THEME = {"name": "CY24SU10", "reportVersionAtImport": _VERSIONS, "type": "SharedResources"}

# kind -> visualType, and where it takes its values
_KINDS = {
    "card": ("card", "Values"),
    "table": ("tableEx", "Values"),
    "slicer": ("slicer", "Values"),
    "line": ("lineChart", "Y"),
    "column": ("columnChart", "Y"),
    "bar": ("clusteredBarChart", "Y"),
}


def pbir_files(model: SemanticModel) -> dict[str, Any]:
    """Path below ``definition/`` -> JSON document."""
    measure_tables = {measure.name: measure.table for measure in model.definition.measures}
    titles = [page.title for page in model.definition.pages]
    pages = dict(zip(folder_names(titles), model.definition.pages, strict=True))
    synced = _synced_fields(model.definition.pages)
    theme = theme_file(model.definition.name)
    files: dict[str, Any] = {
        "version.json": {"$schema": f"{_REPORT}/definition/versionMetadata/1.0.0/schema.json", "version": "2.0.0"},
        "report.json": {
            "$schema": f"{_REPORT}/definition/report/3.0.0/schema.json",
            "themeCollection": {
                "baseTheme": _BASE_THEME,
                "customTheme": {"name": theme, "reportVersionAtImport": _VERSIONS, "type": _REGISTERED},
            },
            "resourcePackages": [
                {
                    "name": _REGISTERED,
                    "type": _REGISTERED,
                    "items": [{"name": theme, "path": theme, "type": "CustomTheme"}],
                }
            ],
            "settings": {"useEnhancedTooltips": True, "defaultDrillFilterOtherVisuals": True},
        },
        "pages/pages.json": {
            "$schema": f"{_REPORT}/definition/pagesMetadata/1.0.0/schema.json",
            "pageOrder": list(pages),
            "activePageName": next(iter(pages)),
        },
    }
    for name, page in pages.items():
        files[f"pages/{name}/page.json"] = {
            "$schema": f"{_REPORT}/definition/page/2.0.0/schema.json",
            "name": name,
            "displayName": page.title,
            "displayOption": "FitToPage",
            "height": HEIGHT,
            "width": WIDTH,
            **_drill_through(name, page),
        }
        names = folder_names([visual.title for visual in page.visuals])
        shown = [
            _visual(page, v, n, i, measure_tables=measure_tables, synced=synced)
            for i, (n, v) in enumerate(zip(names, page.visuals, strict=True), 1)
        ]
        visuals = [_question(page), *shown]
        for visual, phone in zip(visuals, phone_layout(visuals), strict=True):
            files[f"pages/{name}/visuals/{visual['name']}/visual.json"] = visual
            files[f"pages/{name}/visuals/{visual['name']}/mobile.json"] = {
                "$schema": f"{_REPORT}/definition/visualContainerMobileState/2.4.0/schema.json",
                "position": phone,
            }
    return files


def _synced_fields(pages: Sequence[Page]) -> frozenset[str]:
    """Columns with a slicer on several pages: such slicers have one selection."""
    count = Counter(visual.values[0] for page in pages for visual in page.visuals if visual.kind == "slicer")
    return frozenset(field for field, pages_with in count.items() if pages_with > 1)


def _drill_through(name: str, page: Page) -> dict[str, Any]:
    """What makes a page the target of *Drill through* for its columns; nothing for another page."""
    if not page.drill_through:
        return {}
    filters, parameters = [], []
    for index, field in enumerate(page.drill_through):
        column = _projection(field, {})["field"]
        filter_name = f"{name}_filter_{index}"
        filters.append({"name": filter_name, "field": column, "type": "Categorical", "howCreated": "Drillthrough"})
        parameters.append({"name": f"{name}_parameter_{index}", "boundFilter": filter_name, "fieldExpr": column})
    return {
        "type": "Drillthrough",
        "visibility": "HiddenInViewMode",
        "filterConfig": {"filters": filters},
        "pageBinding": {"name": f"{name}_binding", "type": "Drillthrough", "parameters": parameters},
    }


def _literal(value: str) -> dict[str, Any]:
    return {"expr": {"Literal": {"Value": value}}}


def _text(value: str) -> dict[str, Any]:
    return _literal("'" + value.replace("'", "''") + "'")


def _container(name: str, order: int, *, x: float, y: float, width: float, height: float) -> dict[str, Any]:
    return {
        "$schema": f"{_REPORT}/definition/visualContainer/2.4.0/schema.json",
        "name": name,
        "position": {"x": x, "y": y, "z": order, "width": width, "height": height, "tabOrder": order},
    }


def _question(page: Page) -> dict[str, Any]:
    """The page's question as its headline."""
    run = {"value": page.question, "textStyle": {"fontSize": "16pt", "fontWeight": "bold"}}
    return {
        **_container(QUESTION, 0, x=_MARGIN, y=8, width=WIDTH - 2 * _MARGIN, height=_HEADER - 8),
        "visual": {
            "visualType": "textbox",
            "objects": {"general": [{"properties": {"paragraphs": [{"textRuns": [run]}]}}]},
        },
    }


def _visual(
    page: Page, visual: Visual, name: str, order: int, *, measure_tables: dict[str, str], synced: frozenset[str]
) -> dict[str, Any]:
    column, row, width, height = visual.at
    cell_width = (WIDTH - 2 * _MARGIN) / GRID_COLUMNS
    cell_height = (HEIGHT - _HEADER - _MARGIN) / GRID_ROWS
    gap = 8
    place = _container(
        name,
        order,
        x=round(_MARGIN + column * cell_width, 1),
        y=round(_HEADER + row * cell_height, 1),
        width=round(width * cell_width - gap, 1),
        height=round(height * cell_height - gap, 1),
    )
    kind, values_role = _KINDS[visual.kind]
    state = {values_role: [_projection(field, measure_tables) for field in visual.values]}
    if visual.category is not None:
        state["Category"] = [{**_projection(visual.category, measure_tables), "active": True}]
    if visual.legend is not None:
        state["Series"] = [_projection(visual.legend, measure_tables)]
    query: dict[str, Any] = {"queryState": {role: {"projections": items} for role, items in sorted(state.items())}}
    if visual.kind == "bar":  # the longest first; time and bands keep their own order
        first = state[values_role][0]["field"]
        query["sortDefinition"] = {"sort": [{"field": first, "direction": "Descending"}], "isDefaultSort": False}
    return {
        **place,
        "visual": {
            "visualType": kind,
            "query": query,
            **({"objects": _slicer(visual)} if visual.kind == "slicer" else {}),
            "visualContainerObjects": {
                "title": [{"properties": {"show": _literal("true"), "text": _text(visual.title)}}],
                # For screen readers.
                "general": [{"properties": {"altText": _text(f"{visual.title}. {page.question}")}}],
            },
            **(_sync_group(visual.values[0]) if visual.kind == "slicer" and visual.values[0] in synced else {}),
            "drillFilterOtherVisuals": True,
        },
    }


def _sync_group(field: str) -> dict[str, Any]:
    return {"syncGroup": {"groupName": field, "fieldChanges": True, "filterChanges": True}}


def _slicer(visual: Visual) -> dict[str, Any]:
    """Appearance of a slicer, and its selection when the report is opened.

    ``strictSingleSelect`` is *Single select* of the Format pane: one value is always selected.
    """
    objects: dict[str, Any] = {
        "data": [{"properties": {"mode": _text("Dropdown" if visual.at[3] == 1 else "Basic")}}],
        "selection": [{"properties": {"strictSingleSelect": _literal(str(visual.select is not None).lower())}}],
    }
    if visual.select is not None:
        table, column = split_field(visual.values[0])
        expression = {"Column": {"Expression": {"SourceRef": {"Source": "t"}}, "Property": column}}
        condition = {"In": {"Expressions": [expression], "Values": [[_text(visual.select)["expr"]]]}}
        source = {"Name": "t", "Entity": table, "Type": 0}
        selected = {"Version": 2, "From": [source], "Where": [{"Condition": condition}]}
        objects["general"] = [{"properties": {"filter": {"filter": selected}}}]
    return objects


def _projection(field: str, measure_tables: dict[str, str]) -> dict[str, Any]:
    table, name = split_field(field)
    entity = measure_tables[name] if table is None else table
    expression = {"Expression": {"SourceRef": {"Entity": entity}}, "Property": name}
    return {
        "field": {"Measure" if table is None else "Column": expression},
        "queryRef": f"{entity}.{name}",
        "nativeQueryRef": name,
    }
