"""docs/azure.md and the pages that its table of steps names, as texts and as one script."""

import re

from midnight.settings import REPOSITORY

_INDEX = REPOSITORY / "docs" / "azure.md"


def guide_pages() -> dict[str, str]:
    """Path below docs/ -> text: the steps in their order, then the index with what comes after them."""
    index = _INDEX.read_text()
    steps = re.findall(r"^\| \d+\. \[[^]]+\]\((azure/[\w-]+\.md)\)", index, re.MULTILINE)
    return {step: (_INDEX.parent / step).read_text() for step in steps} | {_INDEX.name: index}


def guide_script() -> str:
    """Every bash block, in order."""
    return "\n".join(
        block for text in guide_pages().values() for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    )
