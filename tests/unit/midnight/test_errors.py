"""One model of failures: what was found, the hint, and whether a retry can help."""

import importlib
import pickle

import pytest

from midnight.errors import (
    NON_RETRYABLE_ERRORS,
    ConfigurationError,
    ConfigurationProblem,
    Diagnosis,
    JobError,
    LakeConflictError,
    LakeError,
    MidnightError,
    NonRetryableJobError,
    SynapseError,
    first_line,
    last_line,
)

PROBLEM = ConfigurationProblem("pipeline.yml", 3, "schedule", "'x' is not a valid schedule; hint: write 0 0 * * *")


@pytest.mark.parametrize(
    ("error", "diagnosis"),
    [
        (LakeError("the disk is full"), Diagnosis("the disk is full")),
        (LakeError("the disk is full; hint: free some"), Diagnosis("the disk is full", "free some")),
        (SynapseError("no host", "write it"), Diagnosis("no host", "write it")),
        (NonRetryableJobError("no such column"), Diagnosis("no such column", retryable=False)),
        (MidnightError("a; hint: b; hint: c"), Diagnosis("a; hint: b; hint: c")),  # two problems in one text
        (MidnightError("2 problems:\n a; hint: b\n c"), Diagnosis("2 problems:\n a; hint: b\n c")),
    ],
)
def test_an_error_carries_its_diagnosis(error: MidnightError, diagnosis: Diagnosis):
    assert (error.diagnosis, str(error)) == (diagnosis, str(diagnosis))


def test_the_hint_follows_what_was_found():
    assert (str(Diagnosis("a")), str(Diagnosis("a", "b"))) == ("a", "a; hint: b")


@pytest.mark.parametrize(
    "error", [SynapseError("a", "b"), ConfigurationError([PROBLEM]), LakeConflictError("bronze/x", None)]
)
def test_an_error_crosses_processes(error: MidnightError):
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (type(copy), str(copy), copy.diagnosis, vars(copy)) == (
        type(error),
        str(error),
        error.diagnosis,
        vars(error),
    )


def test_the_types_without_a_retry_come_from_the_errors_themselves():
    importlib.import_module("spark_jobs.silver_to_gold")  # defines errors of its own
    for kind in NON_RETRYABLE_ERRORS:
        assert not kind.retryable
    assert ConfigurationError in NON_RETRYABLE_ERRORS
    assert issubclass(NonRetryableJobError, NON_RETRYABLE_ERRORS)
    assert not issubclass(JobError, NON_RETRYABLE_ERRORS)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("first\nsecond"), "first"),
        (ValueError("\n first "), "first"),
        (ValueError(), "ValueError"),
        (ValueError("x" * 600), "x" * 500),
    ],
)
def test_the_first_line_of_a_message(error: Exception, line: str):
    assert first_line(error) == line


@pytest.mark.parametrize(
    ("output", "line"),
    [
        ("Traceback:\n  File …\nOSError: full\n\n  \n", "OSError: full"),
        ("  one  ", "one"),
        ("", "no message"),
        (" \n\n", "no message"),
    ],
)
def test_the_last_line_of_a_programs_output(output, line):
    assert last_line(output) == line
    assert last_line(output, 3) == (line[:3] if output.strip() else line)
