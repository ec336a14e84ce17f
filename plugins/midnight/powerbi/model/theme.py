"""The report's theme: the colours of the HTML report.

Source: "Use report themes in Power BI Desktop" and ``reportThemeSchema-2.152.json`` of
github.com/microsoft/powerbi-desktop-samples, against which it was validated.
"""

from __future__ import annotations

from typing import Any

from midnight.colours import SERIES, page_colours
from midnight.powerbi.model.folder_names import file_name


def theme_file(name: str) -> str:
    """File name of the theme of a report."""
    return f"{file_name(name)}Theme.json"


def theme(name: str) -> dict[str, Any]:
    """The theme of a report.

    Args:
        name: of the report.
    """
    page = page_colours()
    surface, line = _solid(page["surface"]), _solid(page["line"])
    return {
        "name": f"{name} theme",
        "dataColors": list(SERIES),
        "foreground": page["text"],
        "foregroundNeutralSecondary": page["text-soft"],
        "background": page["surface"],
        "backgroundLight": page["page"],
        "tableAccent": page["accent"],
        "hyperlink": page["accent"],
        "good": page["good"],
        "neutral": page["warn"],
        "bad": page["bad"],
        "textClasses": {
            "title": {"fontFace": "Segoe UI Semibold", "fontSize": 12, "color": page["text"]},
            "label": {"fontFace": "Segoe UI", "fontSize": 10, "color": page["text"]},
            "callout": {"fontFace": "Segoe UI Semibold", "fontSize": 24, "color": page["text"]},
        },
        "visualStyles": {
            "*": {
                "*": {
                    "background": [{"show": True, "color": surface, "transparency": 0}],
                    "border": [{"show": True, "color": line, "radius": 6}],
                }
            },
            "page": {"*": {"background": [{"color": _solid(page["page"]), "transparency": 0}]}},
            "textbox": {"*": {"background": [{"show": False}], "border": [{"show": False}]}},
        },
    }


def _solid(colour: str) -> dict[str, Any]:
    return {"solid": {"color": colour}}
