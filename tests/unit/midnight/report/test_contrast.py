"""Contrast of texts and chart colours in both themes, by WCAG 2.2: from the style sheet, without a browser."""

from __future__ import annotations

import re

import pytest

from midnight.colours import SERIES
from midnight.report.templates import style_sheet

TEXT, GRAPHICS = 4.5, 3.0
TEXTS = [
    *((name, surface) for name in ("text", "text-soft", "accent") for surface in ("page", "surface")),
    *((name, f"{name}-surface") for name in ("good", "bad", "warn")),
    *((name, surface) for name in ("bad", "warn") for surface in ("page", "surface", "good-surface", "bad-surface")),
    *((name, f"{kind}-surface") for name in ("text", "text-soft") for kind in ("good", "bad", "warn")),
    ("on-bar", "bar-bad"),
    ("on-bar", "bar-warn"),
]
CHARTS = [
    (name, surface) for name in ("bar", "bar-bad", "bar-warn", "c-same", "good") for surface in ("page", "surface")
]


def theme(name: str) -> dict[str, str]:
    """The colours of a theme."""
    start = {"light": ":root {", "dark": ':root[data-theme="dark"] {', "system": ":root:not([data-theme]) {"}[name]
    block = style_sheet().partition(start)[2].partition("}")[0]
    return dict(re.findall(r"--([\w-]+): (#[0-9a-fA-F]{6})", block))


def luminance(colour: str) -> float:
    parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", ["light", "dark"])
def test_texts_and_chart_colours_can_be_read(name):
    colours = theme(name)
    limits = [(*pair, TEXT) for pair in TEXTS] + [(*pair, GRAPHICS) for pair in CHARTS]
    found = [(a, b, round(contrast(colours[a], colours[b]), 2)) for a, b, limit in limits]
    assert [case for case, (_, _, limit) in zip(found, limits, strict=True) if case[2] < limit] == []


@pytest.mark.parametrize("name", ["light", "dark"])
def test_the_colours_of_the_report_s_charts_can_be_seen(name):
    surface = theme(name)["surface"]
    assert [(colour, round(contrast(colour, surface), 2)) for colour in SERIES if contrast(colour, surface) < 3] == []


def test_the_two_ways_to_the_dark_theme_have_the_same_colours():
    assert theme("system") == theme("dark")


def test_a_reference_value():
    assert round(contrast("#767676", "#ffffff"), 2) == 4.54
