"""The colours of everything that people look at: the page, its charts, and the Power BI report."""

from __future__ import annotations

import re
from pathlib import Path

# After Okabe and Ito: distinguishable for colour-blind readers, and 3:1 or more on white and on dark grey.
SERIES = ("#2A7FBF", "#B97A00", "#009E73", "#C4649A", "#3F97CF", "#D55E00", "#8C8C8C", "#918332")


def page_colours() -> dict[str, str]:
    """Name -> colour of the page in its light mode, from its stylesheet: ``text``, ``surface``, ``good``, …"""
    css = (Path(__file__).parent / "report" / "page.css").read_text(encoding="utf-8")
    light = css.partition(":root")[2].partition("}")[0]
    return dict(re.findall(r"--([a-z-]+): *(#[0-9a-fA-F]{6})", light))
