"""The layout of a page on a phone: one column, cards in pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

WIDTH = 324  # units of Power BI's canvas for phones
_GAP = 8
_HEIGHTS = {"textbox": 64, "card": 88, "slicer": 64, "tableEx": 320}
_CHART_HEIGHT = 224


def phone_layout(visuals: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Positions on the canvas for phones, in the order of the visuals.

    Args:
        visuals: the documents of a page's visuals, in the order in which they are read.
    """
    half = (WIDTH - 3 * _GAP) // 2
    positions: list[dict[str, Any]] = []
    left, top, row_height = _GAP, _GAP, 0
    for order, visual in enumerate(visuals):
        kind = visual["visual"]["visualType"]
        height = _HEIGHTS.get(kind, _CHART_HEIGHT)
        narrow = kind in ("card", "slicer")
        if left > _GAP and not (narrow and height == row_height):
            left, top = _GAP, top + row_height + _GAP
        width = half if narrow else WIDTH - 2 * _GAP
        positions.append({"x": left, "y": top, "z": order, "width": width, "height": height, "tabOrder": order})
        row_height = height
        if narrow and left == _GAP:
            left += half + _GAP
        else:
            left, top = _GAP, top + height + _GAP
    return positions
