"""What is wrong with a page in a browser: cut or overlapping texts, and what axe-core finds."""

from __future__ import annotations

from typing import Any

from midnight.settings import REPOSITORY
from tests.support.browser import Browser
from tests.support.node_package import install

VIEWS: dict[str, dict[str, Any]] = {
    "screen": {},
    "phone": {"width": 390, "height": 844},
    "dark": {"dark": True},
    "print": {"width": 760, "media": "print"},
}
# Elements whose text is cut, that leave the window, or whose texts lie over each other.
FAULTS = """
(() => {
  const faults = [], texts = [];
  const shown = element => element.checkVisibility({visibilityProperty: true}) && element.getClientRects().length;
  for (const element of document.querySelectorAll("body *")) {
    if (element.closest("#js-plotly-tester")) continue;  // where plotly measures texts
    const isPicture = element.matches("svg[width]:not([viewBox])") && shown(element);
    if (isPicture && element.clientWidth + 1 < element.getAttribute("width"))
      faults.push("shrunk, so its end is cut: svg " + element.getAttribute("aria-label"));
    if (!shown(element) || element.closest("svg") && element.tagName !== "svg") continue;
    const style = getComputedStyle(element), name = element.tagName + ": " + element.textContent.trim().slice(0, 60);
    if (style.overflowX !== "visible" && element.scrollWidth > element.clientWidth + 1) faults.push("scrolls: " + name);
    if (style.overflowX === "hidden" && element.scrollHeight > element.clientHeight + 1) faults.push("cut: " + name);
    const box = element.getBoundingClientRect();
    if (box.right > document.documentElement.clientWidth + 1 || box.left < -1) faults.push("outside: " + name);
    for (const node of element.childNodes) {
      if (node.nodeType !== 3 || !node.data.trim()) continue;
      const range = document.createRange();
      range.selectNodeContents(node);
      for (const rect of range.getClientRects()) texts.push([rect, node.data.trim().slice(0, 40)]);
    }
  }
  texts.sort((a, b) => a[0].top - b[0].top);
  for (let i = 0; i < texts.length; i++) {
    for (let j = i + 1; j < texts.length && texts[j][0].top < texts[i][0].bottom - 4; j++) {
      const [a, one] = texts[i], [b, other] = texts[j];
      if (Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2) faults.push("overlap: " + one + " | " + other);
    }
  }
  return faults.slice(0, 20);
})()
"""
AXE = """
axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]}).then(found =>
  found.violations.map(v => v.id + ": " + v.nodes.slice(0, 3).map(n => n.html.slice(0, 150)).join(" ")))
"""


def axe_violations(browser: Browser) -> list[str]:
    """What axe-core finds on the open page, by WCAG 2.2 AA and its best practices."""
    folder = install(REPOSITORY / "tests" / "support" / "axe")
    browser.run((folder / "axe-core" / "axe.min.js").read_text(encoding="utf-8") + "; 0")
    return list(browser.run(AXE))
