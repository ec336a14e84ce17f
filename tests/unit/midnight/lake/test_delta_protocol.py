"""Features that Synapse serverless does not support are reported."""

import json

import pytest

from midnight.lake.delta_protocol import TABLE_PROPERTIES, protocol_problems

PROTOCOL = {"minReaderVersion": 1, "minWriterVersion": 2}


def log(protocol=None, configuration=None, kind="integer"):
    schema = {"type": "struct", "fields": [{"name": "a", "type": kind, "nullable": True, "metadata": {}}]}
    metadata = {"schemaString": json.dumps(schema), "configuration": configuration or dict(TABLE_PROPERTIES)}
    return [json.dumps({"protocol": protocol or PROTOCOL}), json.dumps({"metaData": metadata})]


def test_a_plain_table_has_no_problems():
    assert protocol_problems(log()) == []


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (
            log({"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["deletionVectors"]}),
            "reader version 3 and writer version 7 (features deletionVectors) instead of 1 and 2",
        ),
        (
            log({"minReaderVersion": 2, "minWriterVersion": 5}),
            "reader version 2 and writer version 5 instead of 1 and 2",
        ),
        (
            log(configuration={"delta.columnMapping.mode": "name"}),
            "delta.columnMapping.mode = 'name' instead of 'none'",
        ),
        (
            log(configuration={"delta.enableDeletionVectors": "true"}),
            "delta.enableDeletionVectors = 'true' instead of 'false'",
        ),
        (log(configuration={"delta.checkpointPolicy": "v2"}), "delta.checkpointPolicy = 'v2' instead of 'classic'"),
        (log(kind="timestamp_ntz"), "TIMESTAMP_NTZ in a; the type must be TIMESTAMP"),
        ([], "the Delta log has no protocol or no metadata"),
    ],
)
def test_problems_are_reported(lines, problem):
    assert protocol_problems(lines) == [problem]


def test_the_last_protocol_is_checked():
    assert protocol_problems([*log(), json.dumps({"protocol": {"minReaderVersion": 3, "minWriterVersion": 7}})]) == [
        "reader version 3 and writer version 7 instead of 1 and 2"
    ]
