"""docs/images/layers.svg: the layers of import-linter's first contract in pyproject.toml, as boxes above each other."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

_WIDTH, _BOX, _STEP, _TOP = 660, 32, 53, 14
_LEFT, _ROW, _GAP = 30, 470, 20
_PLAIN = ("#fff7ed", "#c2410c")
_PURE = ("#eef2fb", "#3f51b5")
_HEAD = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
    'role="img" aria-labelledby="t d" font-family="sans-serif" font-size="14" fill="#1e293b">\n'
    '<title id="t">Layers of the packages</title>\n'
    '<desc id="d">Each layer imports only layers below it; import-linter enforces it.</desc>\n'
    '<defs><marker id="a" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
    'orient="auto-start-reverse"><path d="M0 0L10 5L0 10z" fill="#475569"/></marker></defs>\n'
    '<rect width="{width}" height="{height}" fill="#ffffff"/>'
)


def layers(root: Path) -> list[list[str]]:
    """The packages and modules of each layer, from the top down; each imports only layers below its own."""
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    return [re.split(r" [|:] ", layer) for layer in next(it for it in contracts if it["type"] == "layers")["layers"]]


def layers_picture(root: Path) -> dict[str, str]:
    """The picture, as path -> text."""
    rows = layers(root)
    height = _TOP + _STEP * len(rows)
    lines = [_HEAD.format(width=_WIDTH, height=height)]
    pure = [i for i, row in enumerate(rows) if all(name.startswith("midnight.") for name in row)]
    for i, row in enumerate(rows):
        top = _TOP + _STEP * i
        names = [", ".join(name.removeprefix("midnight.") for name in row)] if i in pure else row
        if i == 0:
            names = [", ".join([*row, "dags"])]  # no package: import-linter does not see the files of DAGs
        lines += _boxes(names, top, _PURE if i in pure else _PLAIN)
        if i + 1 < len(rows):
            middle = _LEFT + _ROW / 2
            arrow = f"M{middle} {top + _BOX + 1} V{top + _STEP - 2}"
            lines.append(f'<path d="{arrow}" stroke="#475569" fill="none" marker-end="url(#a)"/>')
    lines += [*_bracket(_TOP + _STEP * pure[0], _TOP + _STEP * pure[-1] + _BOX), "</svg>", ""]
    return {"docs/images/layers.svg": "\n".join(lines)}


def _boxes(names: list[str], top: int, colours: tuple[str, str]) -> list[str]:
    """Boxes next to each other, as wide as the row together."""
    fill, stroke = colours
    width = (_ROW - _GAP * (len(names) - 1)) / len(names)
    lines = []
    for i, name in enumerate(names):
        left = _LEFT + i * (width + _GAP)
        place = f'x="{left}" y="{top}" width="{width}" height="{_BOX}"'
        lines.append(f'<rect {place} rx="8" fill="{fill}" stroke="{stroke}"/>')
        place = f'x="{left + width / 2}" y="{top + 21}"'
        lines.append(f'<text {place} text-anchor="middle" font-weight="bold">{name}</text>')
    return lines


def _bracket(top: int, bottom: int) -> list[str]:
    """A line next to the rows of the package `midnight`, with what holds for all of them."""
    right, middle = _LEFT + _ROW + 14, (top + bottom) // 2
    text = f'<text x="{right + 10}" y="{{}}" fill="{_PURE[1]}" font-size="12">{{}}</text>'
    return [
        f'<path d="M{right} {top} V{bottom}" stroke="{_PURE[1]}" fill="none"/>',
        text.format(middle - 9, "plugins/midnight:"),
        text.format(middle + 8, "neither Airflow nor Spark"),
    ]
