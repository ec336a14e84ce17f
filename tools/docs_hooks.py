"""Hooks of MkDocs (mkdocs.yml): the same pages work in the repository and as a site, with strict checks.

* A page may link to a file outside of docs/, such as ``../include``. In the repository such a link works; on the site
  it becomes a link to the repository (MIDNIGHT_DOCS_REPOSITORY), or plain text if that is not set. A missing file is a
  warning, which ``mkdocs build --strict`` turns into an error.
* An entry of the navigation with ``*`` is replaced by all matching pages in the order of their names, or by none.
* Code in a numbered list is indented by three spaces in the forge's Markdown; Python-Markdown requires four.
"""

from __future__ import annotations

import logging
import os
import re
import textwrap
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
DOCS = REPOSITORY / "docs"
# Text and target of an inline link or image; a target with a scheme or an anchor alone is not a file.
_LINK = re.compile(r"!?\[(?P<text>(?:`[^`]*`|[^\[\]`])*)\]\((?P<path>(?![a-z]+:|#)[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")
_CODE_IN_LIST = re.compile(r"^ {3}```.*?^ {3}```$", re.MULTILINE | re.DOTALL)
_log = logging.getLogger("mkdocs.hooks.midnight")  # MkDocs counts the warnings below "mkdocs"


def on_config(config: Any) -> Any:
    """Replace each entry of the navigation that has a ``*``."""
    pages = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
    config["nav"] = _expanded(config["nav"], pages)
    return config


def _expanded(entries: list[Any], pages: list[str]) -> list[Any]:
    result: list[Any] = []
    for entry in entries:
        if isinstance(entry, dict):
            result += [{k: _expanded(v, pages) if isinstance(v, list) else v} for k, v in entry.items()]
        elif "*" in entry:
            result += [page for page in pages if fnmatch(page, entry)]
        else:
            result.append(entry)
    return result


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Point links that leave docs/ to the repository, and indent code in numbered lists."""
    address = os.environ.get("MIDNIGHT_DOCS_REPOSITORY", "").rstrip("/")
    revision = os.environ.get("MIDNIGHT_DOCS_REVISION") or "main"
    markdown = _CODE_IN_LIST.sub(lambda match: textwrap.indent(match[0], " "), markdown)
    return outside_links(markdown, page.file.src_uri, f"{address}/blob/{revision}" if address else "")


def outside_links(markdown: str, page: str, address: str) -> str:
    """Rewrite the links of a page to files outside of docs/.

    Args:
        markdown: text of the page.
        page: its path relative to docs/.
        address: base URL of the repository's files; if empty, a link is replaced by its text.
    """

    def rewritten(match: re.Match[str]) -> str:
        target = (DOCS / page).parent.joinpath(match["path"]).resolve()
        if target.is_relative_to(DOCS) or not target.is_relative_to(REPOSITORY):
            return match[0]  # MkDocs checks it
        if not target.exists():
            _log.warning("docs/%s links to %s, which does not exist", page, match["path"])
        if not address:
            return match["text"]
        return f"[{match['text']}]({address}/{target.relative_to(REPOSITORY).as_posix()}{match['anchor'] or ''})"

    return _LINK.sub(rewritten, markdown)
