"""Malformed files: each problem is a message with file and line, never a traceback."""

import pytest

from midnight.configuration.dag_parsing import list_table_names, pipeline_for_parsing
from midnight.configuration.files import load_configuration
from midnight.errors import ConfigurationError
from midnight.run.run_configuration import load_run_configuration
from midnight.settings import Settings

TABLE = "schema: public\ntable: orders\nsilver: orders\ncolumns:\n  - {name: id, type: integer}\n"

MALFORMED_TABLES: dict[str, tuple[str | bytes, str]] = {
    "tab": ("schema: public\n\ttable: x\n", ":2: not valid YAML: "),
    "control character": ("schema: pub\x07lic\ntable: x\n", r":1: not valid YAML: the character '\x07' is not allowed"),
    "no such date": (TABLE + "description: 2013-02-30\n", ":6: not valid YAML: '2013-02-30': day is out of range"),
    "huge number": (TABLE + f"description: {'9' * 5000}\n", ":6: not valid YAML: '999"),
    "key that is a list": (TABLE + "? [a, b]\n: c\n", ":6: not valid YAML: found unhashable key"),
    "contains itself": (TABLE + "null_values: &x [*x]\n", "null_values[0]: "),
    "deep": (TABLE + "null_values: " + "[" * 2000 + "\n", "not valid YAML: "),
    "deeper than a stack": (
        TABLE + "null_values: " + "[" * 200_000 + "]" * 200_000 + "\n",
        "not valid YAML: it is nested too deeply",
    ),
    "blocks": ("\n".join(f"{' ' * level}k:" for level in range(3000)), "not valid YAML: it is nested too deeply"),
    "two documents": (TABLE + "---\n" + TABLE, "not valid YAML: "),
    "list": (
        "- schema: public\n",
        ":1: [{'schema': 'public'}] is not a mapping; hint: write each field on its own line",
    ),
    "text": ("public.orders\n", ":1: 'public.orders' is not a mapping"),
    "empty": ("", ": schema: is missing; hint: add it"),
    "no is a boolean": (
        TABLE.replace("orders", "no"),
        ":2: table: False is not a valid string; hint: put it in quotes",
    ),
    "key that is a number": (TABLE + "1: x\n", ":1: is not a valid field name; hint: put it in quotes"),
    "latin-1": (TABLE.encode() + b"description: gr\xfc\xdfe\n", ": cannot be read: 'utf-8' codec can't decode"),
    "null": (TABLE.replace("schema: public", "schema:"), ":1: schema: null is not a valid string"),
    "columns is a mapping": (
        "schema: public\ntable: o\nsilver: o\ncolumns: {id: integer}\n",
        ":4: columns: {'id': 'integer'} is not a valid list",
    ),
}

INVALID_PIPELINES = {
    "cron": ("schedule: {cron: 0 25 * * *}\n", ":2: schedule.cron: '0 25 * * *' is not a valid cron expression"),
    "cron of six fields": (
        "schedule: {cron: 0 0 0 * * *}\n",
        "'0 0 0 * * *' is not a valid cron expression of five fields",
    ),
    "timeout": ("timeout_minutes: 99999999999999999999\n", ":2: timeout_minutes: "),
    "delay": ("retry_delay_seconds: 9999999999\n", ":2: retry_delay_seconds: "),
    "groups twice": ("groups: [{name: a}, {name: a}]\n", ":2: groups: duplicate group name 'a'"),
    "no group": ("groups: []\n", ":2: groups: is empty; hint: add at least one item"),
    "long tag": (f"tags: [{'x' * 101}]\n", ":2: tags: 'xxxxxxxxxxxxxxxxxxxx'… has 101 characters"),
}


@pytest.fixture
def include(tmp_path):
    (tmp_path / "tables").mkdir()
    (tmp_path / "pipeline.yml").write_text("source: {name: shop}\n")
    (tmp_path / "tables" / "public.orders.yml").write_text(TABLE)
    return tmp_path


def problems_of(folder):
    with pytest.raises(ConfigurationError) as caught:
        load_configuration(folder)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("case", MALFORMED_TABLES)
def test_a_malformed_table_file(include, case):
    content, expected = MALFORMED_TABLES[case]
    data = content if isinstance(content, bytes) else content.encode()
    (include / "tables" / "public.orders.yml").write_bytes(data)
    problems = problems_of(include)
    assert any(expected in problem for problem in problems), problems
    assert all(problem.startswith("tables/public.orders.yml") for problem in problems)


@pytest.mark.parametrize("case", INVALID_PIPELINES)
def test_an_invalid_pipeline_file(include, case):
    text, expected = INVALID_PIPELINES[case]
    (include / "pipeline.yml").write_text("source: {name: shop}\n" + text)
    assert [problem for problem in problems_of(include) if f"pipeline.yml{expected}" in problem or expected in problem]
    assert pipeline_for_parsing(include).source.name == "shop"


def test_aliases_that_multiply_are_read_once(include):
    lines = ["l0: &l0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 10)}]" for i in range(1, 12)]
    (include / "tables" / "public.orders.yml").write_text(TABLE + "\n".join(lines) + "\n")
    assert len(problems_of(include)) == len(lines)


def test_the_dag_of_an_invalid_pipeline_keeps_the_valid_fields(include):
    (include / "pipeline.yml").write_text(
        "source: {name: shop}\nowner: me\nretries: many\nschedule: {cron: 0 3 * * *, timezone: Europe/Berlin}\nx: 1\n"
    )
    pipeline = pipeline_for_parsing(include)
    assert (pipeline.owner, pipeline.retries, pipeline.schedule.cron) == ("me", 2, "0 3 * * *")
    for text in ("", "[", "- a\n", "\x00"):
        (include / "pipeline.yml").write_text(text)
        assert pipeline_for_parsing(include).schedule.cron == "0 0 * * *"


def test_hidden_files_are_ignored_and_the_yaml_suffix_is_reported(include):
    for name in ("._public.orders.yml", ".#public.orders.yml", "..yml"):
        (include / "tables" / name).write_bytes(b"\x00\xff")
    assert len(load_configuration(include).tables) == 1
    assert list_table_names(include) == ["public.orders"]
    (include / "tables" / "public.more.yaml").write_text(TABLE)
    assert problems_of(include) == ["tables/public.more.yaml:1: is ignored; hint: rename it to public.more.yml"]


def test_problems_of_tables_and_models_are_reported_together(include):
    gold = include / "sql" / "gold"
    gold.mkdir(parents=True)
    (include / "tables" / "public.orders.yml").write_text(TABLE + "silvr: x\n")
    (gold / "a.sql").write_bytes("SELECT 'grün' FROM silver.orders".encode("latin-1"))
    (gold / "b.sql").write_text("SELEC 1")
    (gold / "c.sql").write_text("SELECT id FROM silver.orders")
    with pytest.raises(ConfigurationError) as caught:
        load_run_configuration(Settings(config=include), [])
    places = [(problem.where, problem.message.split(":")[0]) for problem in caught.value.problems]
    assert ("tables/public.orders.yml", "is not a known field; hint") in places
    assert ("sql/gold/a.sql", "cannot be read") in places
    assert next(message for where, message in places if where == "sql/gold/b.sql").startswith("does not parse")
    assert ("sql/gold/c.sql", "has no contract; hint") in places
