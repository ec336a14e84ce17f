"""The words that `make lint` refuses."""

from __future__ import annotations

import pytest

from tools.vocabulary import RULES, matches_of


@pytest.mark.parametrize(
    "line",
    [
        "the cure is printed",
        "one sentence each",
        "'x' is no valid name",
        "the name shall be unique",
        "the file beside it",
        "the path leads to a folder",
        "an overtaken run",
        "the rows are judged",
        "a value is unfit",
        "Patience and patience",
        "mend it",
        "the vault cannot be asked",
        "write the table anew",
        "the file vanished",
        "What became of one table.",
        "the rows of now",
        "write for example Europe/Berlin",
        "it turns this machine away",
        "the whole table is read",
        "the run of last night",
        "say: Callable[[str], None]",
    ],
)
def test_a_word_that_does_not_belong_is_found_with_its_line(line):
    (match,) = matches_of("page.md", f"first\n{line}\n")
    assert (match.path, match.line, match.better in RULES.values()) == ("page.md", 2, True)


@pytest.mark.parametrize(
    "line",
    [
        "hint: run `make night`, or midnight night; every night at 00:00; the nightly run at night",
        "there is no row; it is no longer read",
        "the parser lets DuckDB decide",
        "file.tell()",
        "besides, what remains",
    ],
)
def test_good_english_is_not_refused(line):
    assert list(matches_of("page.md", line)) == []


def test_the_file_that_defines_the_command_night_may_name_it():
    assert list(matches_of("Makefile", "night: ## one more day")) == []
