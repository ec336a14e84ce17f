"""Power BI projects of other sources and in other alphabets, by Microsoft's parser."""

import json
import re

from midnight.powerbi.model.folder_names import folder_names
from midnight.powerbi.model.project import project_files
from tests.contracts.read_tmdl import read_tmdl

OTHER_DEFINITION = """\
name: Shop
description: Orders.
server: s
database: d
tables: {"It's orders": {view: gold.orders}}
measures:
  - {name: Total, table: "It's orders", sum: amount, format: "0", description: Sum in euros}
pages:
  - title: Orders
    question: How much?
    visuals: [{kind: card, title: Total, values: ["[Total]"], at: [0, 0, 2, 2]}]
"""


def test_another_source_gives_another_model(include):
    """Nothing of the demo is in the code: a model of one table, from a contract alone."""
    for path in [*(include / "sql").rglob("*.sql"), *(include / "sql").rglob("*.yml")]:
        path.unlink()
    (include / "sql/gold/orders.yml").write_text(
        "description: One row per order.\nkey: [order_id]\ncolumns:\n"
        "  - {name: order_id, type: BIGINT, description: Number of the order}\n"
        "  - {name: amount, type: 'DECIMAL(12,6)', description: In euros}\n"
    )
    (include / "powerbi/model.yml").write_text(OTHER_DEFINITION)
    files = project_files(include)
    for path, text in files.items():
        (include / path).parent.mkdir(parents=True, exist_ok=True)
        (include / path).write_text(text)
    (result,) = read_tmdl(include / "powerbi/Shop.SemanticModel/definition")
    assert result["tables"]["It's orders"]["columns"]["Amount"] == ["Double", "amount", "In euros"]
    assert result["tables"]["It's orders"]["measures"]["Total"][0] == "SUM('It''s orders'[Amount])"
    assert result["relationships"] == []


TITLES = [
    "Flüge",
    "Fluge",
    "Рейсы",
    "Рейсы по дням",
    "航班",
    "运费",
    "رحلات",
    "✈",
    "A B",
    "A-B",
    "a b",
    "con",
    "Question",
]


def test_titles_in_any_alphabet_have_their_own_folders(include):
    """Also on a file system that does not tell large letters from small ones, and on Windows."""
    pages = [
        {
            "title": title,
            "question": title,
            "visuals": [
                {"kind": "card", "title": other, "values": ["[Total]"], "at": [i % 12, i // 12, 1, 1]}
                for i, other in enumerate(TITLES)
            ],
        }
        for title in TITLES
    ]
    measures = [
        {"name": f"{title} Σ", "table": title, "sum": "amount", "format": "0", "description": title * 5}
        for title in TITLES
    ]
    measures.append({**measures[0], "name": "Total"})
    tables = {title: {"view": "gold.orders"} for title in TITLES if title != "a b"}
    measures = [measure for measure in measures if measure["table"] in tables]
    for path in [*(include / "sql").rglob("*.sql"), *(include / "sql").rglob("*.yml")]:
        path.unlink()
    (include / "sql/gold/orders.yml").write_text(
        "description: One row per order.\nkey: [order_id]\ncolumns:\n"
        "  - {name: order_id, type: BIGINT, description: Number of the order}\n"
        "  - {name: amount, type: BIGINT, description: In euros}\n"
    )
    definition = {"name": "Заказы", "description": "Orders", "server": "s", "database": "d"}
    document = definition | {"tables": tables, "measures": measures, "pages": pages}
    (include / "powerbi/model.yml").write_text(json.dumps(document))
    files = project_files(include)
    assert len({path.casefold() for path in files}) == len(files)
    assert all(re.fullmatch(r"[\w.-]+", part) for path in files for part in path.split("/") if "/pages/" in path)
    assert len([path for path in files if path.endswith("/page.json")]) == len(TITLES) + 1  # Data quality
    assert len([path for path in files if path.endswith("/visual.json")]) == len(TITLES) * (len(TITLES) + 1) + 9
    for path, text in files.items():
        (include / path).parent.mkdir(parents=True, exist_ok=True)
        (include / path).write_text(text)
    (result,) = read_tmdl(include / "powerbi/Заказы.SemanticModel/definition")
    assert result["tables"].keys() >= tables.keys()


def test_a_folders_name_does_not_depend_on_the_order_of_titles():
    assert dict(zip(TITLES, folder_names(TITLES), strict=True)) == dict(
        zip(TITLES[::-1], folder_names(TITLES[::-1]), strict=True)
    )
    assert folder_names(["Mean delay, minutes", "Weather"]) == ["mean_delay_minutes", "weather"]
