"""The tables that a step of a run reads and writes, as datasets of OpenLineage with the lineage of their columns.

Airflow's provider for OpenLineage makes the events of the tasks and sends them (docs/lineage.md).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from midnight.lake.paths import LakePaths
from midnight.lineage.column_uses import DIRECT, ROWS
from midnight.lineage.graph import EdgeUse, Graph, Layer, Node
from midnight.lineage.lineage import Lineage

if TYPE_CHECKING:
    from openlineage.client.event_v2 import InputDataset, OutputDataset

    from midnight.configuration.tables import Table

Step = Literal["bronze", "silver", "gold", "serving"]
_STEPS: dict[Step, tuple[tuple[Layer, ...], tuple[Layer, ...]]] = {
    "bronze": (("source",), ("bronze",)),
    "silver": (("bronze",), ("silver",)),
    "gold": (("silver",), ("gold",)),
    "serving": (("gold",), ("base view", "reporting view")),
}
# The specification's names of indirect transformations; a key chooses rows, as a filter does.
_SUBTYPES: dict[EdgeUse, str] = {
    "condition": "CONDITIONAL",
    "window": "WINDOW",
    "join": "JOIN",
    "filter": "FILTER",
    "group": "GROUP_BY",
    "sort": "SORT",
    "key": "FILTER",
}


@dataclass(frozen=True)
class Places:
    """Where the datasets are, for their names.

    Args:
        paths: of the lake.
        source: name of the source in bronze.
        database: ``host:port`` and the name of the source database.
        serving: namespace of the views, and what stands before the name of each.
    """

    paths: LakePaths
    source: str
    database: tuple[str, str]
    serving: tuple[str, str]


def step_datasets(
    lineage: Lineage, step: Step, places: Places, tables: Sequence[Table]
) -> tuple[list[InputDataset], list[OutputDataset]]:
    """The datasets that a step reads, and those that it writes.

    Args:
        lineage: of the configuration.
        step: of the run.
        places: where the datasets are.
        tables: of the run; with fewer than all, only their source, bronze and silver tables are named.
    """
    from openlineage.client.event_v2 import InputDataset, OutputDataset

    names = _Names(places, lineage.tables)
    chosen = {t.qualified_name for t in tables} | {f"silver.{t.silver}" for t in tables}
    read, written = _STEPS[step]

    def objects(layers: Collection[Layer], every: bool) -> list[tuple[Layer, str]]:
        found = (place for place in lineage.graph.objects if place[0] in layers)
        return [
            place for place in found if every or place[1] in chosen or place[0] not in ("source", "bronze", "silver")
        ]

    every = step == "gold"  # the models read all of silver
    inputs = [InputDataset(*names.of(*place), facets=_schema(lineage.graph, place)) for place in objects(read, every)]
    outputs = [
        OutputDataset(*names.of(*p), facets=_schema(lineage.graph, p) | _column_lineage(lineage.graph, p, names))
        for p in objects(written, every)
    ]
    return inputs, outputs


class _Names:
    """Namespace and name of each table, by the specification's rules for names."""

    def __init__(self, places: Places, tables: Sequence[Table]) -> None:
        self._places = places
        self._tables = {t.qualified_name: t for t in tables}

    def of(self, layer: Layer, name: str) -> tuple[str, str]:
        paths = self._places.paths
        short = name.partition(".")[2]
        if layer == "source":
            table = self._tables[name]
            address, database = self._places.database
            return f"postgres://{address}", f"{database}.{table.schema_name}.{table.table}"
        if layer == "bronze":
            table = self._tables[name]
            return _of_path(paths.table_batches(self._places.source, table.schema_name, table.table))
        if layer == "silver":
            return _of_path(paths.silver_table(short))
        if layer == "gold":
            return _of_path(paths.gold_folder(short))
        namespace, before = self._places.serving
        return namespace, f"{before}{name}"


def _of_path(path: str) -> tuple[str, str]:
    if "://" not in path:
        return "file", path
    scheme, _, rest = path.partition("://")
    container, _, name = rest.partition("/")
    return f"{scheme}://{container}", name


def _schema(graph: Graph, place: tuple[Layer, str]) -> dict[str, Any]:
    from openlineage.client.facet_v2 import schema_dataset

    columns = [node for node in graph.of_object(*place) if node.is_column]
    return {
        "schema": schema_dataset.SchemaDatasetFacet(
            [schema_dataset.SchemaDatasetFacetFields(n.column) for n in columns]
        )
    }


def _column_lineage(graph: Graph, place: tuple[Layer, str], names: _Names) -> dict[str, Any]:
    from openlineage.client.facet_v2 import column_lineage_dataset as facet

    def inputs(node: Node) -> list[Any]:
        found = []
        for source, use in graph.next(node, downstream=False).items():
            if source.is_column:
                kind = "DIRECT" if use in DIRECT else "INDIRECT"
                subtype = use.upper() if use in DIRECT else _SUBTYPES.get(use, "")
                masking = "masked" in graph.notes.get(node, "") if node.layer == "silver" else False
                how = facet.Transformation(type=kind, subtype=subtype, description="", masking=masking)
                namespace, name = names.of(source.layer, source.object)
                found.append(facet.InputField(namespace, name, source.column, transformations=[how]))
        return found

    columns = [node for node in graph.of_object(*place) if node.is_column]
    fields = {node.column: facet.Fields(inputFields=inputs(node)) for node in columns}
    of_rows = inputs(Node(*place, ROWS))
    return {"columnLineage": facet.ColumnLineageDatasetFacet(fields=fields, dataset=of_rows)}
