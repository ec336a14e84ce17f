"""Invalid configuration: all problems are reported at once, each with file, line and field."""

import pytest

from midnight.configuration.dag_parsing import list_table_names
from midnight.configuration.files import load_configuration, table_file_name
from midnight.configuration.pipeline import load_pipeline
from midnight.errors import ConfigurationError

TABLE = """\
schema: public
table: orders
silver: orders
key: [order_id]
columns:
  - {name: order_id, type: integer}
  - {name: customer_id, type: integer}
"""


@pytest.fixture
def include(tmp_path):
    (tmp_path / "tables").mkdir()
    (tmp_path / "pipeline.yml").write_text("source: {name: shop}\n")
    return tmp_path


def problems_of(folder):
    with pytest.raises(ConfigurationError) as caught:
        load_configuration(folder)
    return [str(problem) for problem in caught.value.problems]


def test_a_small_configuration_has_working_defaults(include):
    (include / "tables" / "public.orders.yml").write_text(TABLE)
    configuration = load_configuration(include)
    assert [table.qualified_name for table in configuration.tables] == ["public.orders"]
    assert configuration.pipeline.schedule.cron == "0 0 * * *"
    assert configuration.select(["orders"]) == configuration.select(["public.orders"]) == configuration.tables


def test_every_problem_of_every_file_is_reported_at_once(include):
    (include / "pipeline.yml").write_text("source: {name: shop}\nschedule:\n  timezone: Mars\nretriez: 3\n")
    (include / "tables" / "public.a.yml").write_text(
        "schema: public\ntable: a\nsilver: a\nkey: [idd]\ncolumns:\n  - {name: id, type: integer}\n"
    )
    (include / "tables" / "public.b.yml").write_text(
        "schema: public\ntable: b\nsilver: b\ncolumns:\n  - {name: 'b c', type: integer}\n"
        "checks:\n  - rule: rang\n    column: x\n"
    )
    assert problems_of(include) == [
        "pipeline.yml:3: schedule.timezone: 'Mars' is not a valid IANA time zone; hint: for example Europe/Berlin",
        "pipeline.yml:4: retriez: is not a known field; hint: remove it or correct its spelling",
        "tables/public.a.yml:4: key: 'idd' is not a column of this table; hint: did you mean 'id'? use one of ['id']",
        "tables/public.b.yml:5: columns[0].name: 'b c' is not a valid column name for Parquet, Delta and Synapse; "
        "hint: write name: b_c and source: 'b c'",
        "tables/public.b.yml:7: checks[0].rule: 'rang' is not a valid rule; hint: one of 'not_null', 'unique', "
        "'accepted_values', 'range', 'pattern', 'foreign_key', 'expression'",
    ]


def test_a_foreign_key_must_reference_a_table_and_a_column(include):
    check = "checks:\n  - {rule: foreign_key, columns: [customer_id], table: %s, references: [%s]}\n"
    (include / "tables" / "public.orders.yml").write_text(TABLE + check % ("customers", "id"))
    assert problems_of(include) == [
        "tables/public.orders.yml:9: checks[0].table: 'customers' is not a silver table; hint: use one of ['orders']"
    ]
    (include / "tables" / "public.orders.yml").write_text(TABLE + check % ("orders", "idd"))
    assert problems_of(include) == [
        "tables/public.orders.yml:9: checks[0].references: ['idd'] are not columns of silver table 'orders'; hint: "
        "use one of ['customer_id', 'order_id']"
    ]


def test_both_sides_of_a_text_foreign_key_need_the_same_cleaning(include):
    """Otherwise values that are equal in the source would differ in silver, and the check would fail for valid rows."""
    unit = "schema: public\ntable: unit\nsilver: unit\nkey: [code]\ncolumns:\n  - {name: code, type: text%s}\n"
    item = (
        "schema: public\ntable: item\nsilver: item\nkey: [id]\ncolumns:\n  - {name: id, type: integer}\n"
        "  - {name: code, type: text%s}\nchecks:\n"
        "  - {rule: foreign_key, columns: [code], table: unit, references: [code]}\n"
    )
    for own, other, problem in (
        (", trim: false", "", "'code' has trim: false and 'code' of 'unit' trim: true; hint: write the same for both"),
        (
            "",
            ", null_values: [NA]",
            "['NA'] mean null in 'code' of 'unit' and not in 'code'; hint: write the same null_values",
        ),
        (", null_values: [NA]", "", None),
        (", trim: false", ", trim: false", None),
    ):
        (include / "tables" / "public.unit.yml").write_text(unit % other)
        (include / "tables" / "public.item.yml").write_text(item % own)
        if problem is None:
            assert load_configuration(include).tables
        else:
            (found,) = problems_of(include)
            assert found.startswith(f"tables/public.item.yml:9: checks[0]: {problem}")


def test_two_tables_may_not_share_a_silver_name_or_a_source(include):
    (include / "tables" / "public.orders.yml").write_text(TABLE)
    (include / "tables" / "public.orders2.yml").write_text(TABLE)
    assert problems_of(include) == [
        "tables/public.orders2.yml:3: silver: duplicate silver name 'orders' (also defined in "
        "tables/public.orders.yml); hint: rename one",
        "tables/public.orders2.yml:2: table: public.orders is also configured in tables/public.orders.yml; "
        "hint: delete one of the files",
    ]


def test_yaml_syntax_and_duplicate_keys_have_lines(include):
    (include / "tables" / "public.a.yml").write_text("schema: public\nschema: other\n")
    (include / "tables" / "public.b.yml").write_text("schema: [public\ntable: b\n")
    first, second = problems_of(include)
    assert first == "tables/public.a.yml:2: schema: is defined twice; hint: keep one"
    assert second.startswith("tables/public.b.yml:2: not valid YAML:")


def test_a_configuration_without_tables_gets_a_hint(include):
    assert "hint: run make init SOURCE=" in problems_of(include)[0]


def test_an_unknown_group_is_named(include):
    (include / "tables" / "public.orders.yml").write_text(TABLE + "group: nightly\n")
    assert problems_of(include) == [
        "tables/public.orders.yml:8: group: 'nightly' is not a load group of pipeline.yml; hint: use one of ['main']"
    ]


def test_parsing_the_pipeline_reads_no_table_file(include):
    (include / "tables" / table_file_name("Sales", 'order "items"')).write_text("not: a table")
    assert load_pipeline(include).source.name == "shop"
    assert list_table_names(include) == ['"Sales"."order ""items"""']


INCREMENTAL = """\
schema: public
table: orders
silver: orders
mode: incremental
key: [order_id]
columns:
  - {name: order_id, type: integer}
  - {name: note, type: text}
  - {name: seen, type: timestamptz, mask: pseudonym}
  - {name: moved, type: timestamptz}
on_schema_change: freeze
"""


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("cursor: moved", None),
        ("cursor: moved\ncursor_lag: 60\nfull_snapshot_interval_days: 0", None),
        ("", "tables/public.orders.yml:4: mode: 'incremental' needs a cursor; hint: add cursor with the column "
             "that grows on every write, or cursor: xmin"),
        ("cursor: xmin", None),
        ("cursor: xmin\ncursor_lag: 5", "tables/public.orders.yml:13: cursor_lag: has no meaning with cursor: xmin, "
                                        "which misses nothing; hint: remove this line"),
        ("cursor: order_id\nlate_commits: horizon", "tables/public.orders.yml:13: late_commits: 'horizon' needs a "
                                                   "cursor with a time or date, but 'order_id' is a number; hint: use "
                                                   "visibility"),
        ("cursor: mooved", "tables/public.orders.yml:12: cursor: 'mooved' is not a column of this table; hint: did you "
                           "mean 'moved'? use one of ['moved', 'note', 'order_id', 'seen']"),
        ("cursor: seen", "tables/public.orders.yml:12: cursor: 'seen' is masked, but manifests and queries show cursor "
                         "values; hint: use another one"),
        ("cursor: note", "tables/public.orders.yml:12: cursor: 'note' of type 'text' is not a valid cursor; hint: use "
                         "a column of type smallint, integer, bigint, numeric without decimals, date, timestamp or "
                         "timestamptz without bronze_type, or mode: snapshot"),
    ],
)  # fmt: skip
def test_the_cursor_of_an_incremental_table(include, line, problem):
    (include / "tables" / "public.orders.yml").write_text(INCREMENTAL + line)
    if problem is None:
        table = load_configuration(include).tables[0]
        assert (table.cursor_name, table.reads_by_transaction) in {("moved", False), (None, True)}
    else:
        assert problems_of(include) == [problem]


def test_all_problems_of_an_incremental_table_are_reported_at_once(include):
    without_key = INCREMENTAL.replace("key: [order_id]\n", "") + "cursor: moved\ncursor_lag: -1\n"
    (include / "tables" / "public.orders.yml").write_text(without_key)
    assert problems_of(include) == [
        "tables/public.orders.yml:12: cursor_lag: -1 is not a valid value; hint: it should be greater than or equal "
        "to 0"
    ]
    (include / "tables" / "public.orders.yml").write_text(without_key.replace("-1", "1").replace("moved\n", "gone\n"))
    assert [p.split(": ", 2)[1:] for p in problems_of(include)] == [
        ["mode", "'incremental' needs a key, by which a changed row replaces its old version; hint: add key"],
        ["cursor", "'gone' is not a column of this table; hint: use one of ['moved', 'note', 'order_id', 'seen']"],
    ]
    snapshot = INCREMENTAL.replace("incremental", "snapshot") + "cursor: moved\nfull_snapshot_interval_days: 3\n"
    (include / "tables" / "public.orders.yml").write_text(snapshot)
    assert problems_of(include) == [
        f"tables/public.orders.yml:{line}: {field}: is only valid with mode: incremental; hint: set that "
        "mode, or remove this line"
        for line, field in ((12, "cursor"), (13, "full_snapshot_interval_days"))
    ]
