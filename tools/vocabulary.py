"""The words of the field: refuses the words that an engineer of this field would not use (docs/glossary.md has ours).

    python -m tools.vocabulary [path …]

Vale would be the usual tool; its package downloads a program from a server that a build behind a proxy does not reach.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parents[1]

NIGHT = r"(?<!make )(?<!midnight )(?<!very )(?<!at )(?<!weather-)(?<![`\"'])\bnights?\b"
# `make night` and `midnight night` are commands of the demo: these files define them.
DEFINES_NIGHT = ("Makefile", "cli/main.py", "docs/commands.md")
# pattern -> what to write instead
RULES = {
    r"\bcures?\b|\bcured\b": "hint, or fix",
    r"\bsentences?\b": "message",
    r"(?<!there )(?<!There )\bis no\b(?! longer)": "is not a",
    r"\bshall\b": "must, or should",
    r"\bbeside\b": "next to, or in addition to",
    r"\bleads? (to|nowhere|somewhere)\b": "references",
    r"\bovertak(e|es|en|ing)\b": "superseded",
    r"\bjudge(s|d|ment)?\b|\bjudgement\b": "validate, evaluate",
    r"\bunfit\b": "out of range",
    r"\bpatience\b": "retry policy, or timeout",
    r"\bmend(s|ed|ing)?\b": "fix",
    r"\bcannot be asked\b": "could not reach",
    r"\banew\b": "again",
    r"\bvanish(es|ed)?\b": "was deleted",
    r"\b(what|What) became of\b": "outcome of",
    r"\bof now\b": "current",
    r"\bwrite for example\b": "hint: for example",
    r"\bturns? (this machine|\S+) away\b|\blets? \S+ in\b": "blocks, grants access",
    r"\bwhole (table|tables|batch|batches|one|ones)\b|\bread whole\b": "full snapshot",
    NIGHT: "run",
    r"\bsay(?=\()|\b(say|tell): Callable|\b(say|tell)=": "log, or on_progress",  # file.tell() is Python's
}
# Generated or foreign text, the record of past decisions, and what quotes the words themselves.
LEFT_OUT = re.compile(
    r"^(LICENSE|requirements.*|tools/vocabulary\.py|tests/unit/tools/test_vocabulary\.py|tests/data/.*|include/tables/.*\.csv"
    r"|docs/spark-sql\.md|tools/spark_sql_proof/.*_cases\.py"  # they quote names of Spark's functions
    r"|.*\.(tsv|png|svg|lock)|.*package-lock\.json|.*provider_schema\.json)$"
)


class Match(NamedTuple):
    """One word that does not belong."""

    path: str
    line: int
    word: str
    better: str


def matches_of(path: str, text: str) -> Iterator[Match]:
    """The matches of one file, in the order of its lines."""
    for number, line in enumerate(text.splitlines(), start=1):
        for pattern, better in RULES.items():
            if pattern == NIGHT and path in DEFINES_NIGHT:
                continue
            for found in re.finditer(pattern, line):
                yield Match(path, number, found[0], better)


def check_files(paths: list[str]) -> list[Match]:
    """The matches of the tracked files below some paths; none given is all of them."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", *paths], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    matches: list[Match] = []
    for path in filter(None, listed.split("\0")):
        file = REPOSITORY / path
        if LEFT_OUT.match(path) or not file.is_file():
            continue
        try:
            matches += matches_of(path, file.read_text(encoding="utf-8"))
        except UnicodeDecodeError:
            continue  # a picture
    return matches


def main(arguments: list[str]) -> int:
    """Print each match; 1 when there is one."""
    matches = check_files(arguments)
    for match in matches:
        print(f"{match.path}:{match.line}: {match.word!r}; hint: {match.better}")
    return 1 if matches else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
