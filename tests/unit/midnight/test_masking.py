"""Pseudonyms, the masking key, and the validation of masked columns."""

from __future__ import annotations

import hashlib
import hmac
import re
import shlex
import subprocess
import sys
import traceback
from datetime import UTC, datetime

import asyncpg
import pyarrow
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cli.checks.masking import check_local_key
from cli.instance.folder import Instance
from midnight.bronze.manifest import BronzeColumn
from midnight.configuration.columns import Column
from midnight.configuration.files import load_configuration
from midnight.data_factory.type_conversion import Conversion
from midnight.errors import ConfigurationError, ValueNotRepresentableError
from midnight.masking import GENERATE_KEY_COMMAND, MaskingKey, key_problems, masking_state, parse_key
from midnight.postgres_to_bronze.copy_columns import ColumnPlan
from midnight.postgres_to_bronze.copy_parser import CopyParser
from midnight.postgres_to_bronze.source_address import SourceAddress
from midnight.postgres_to_bronze.source_errors import source_error
from midnight.run.run_configuration import load_run_configuration
from midnight.scaffold.table_file import render_table
from midnight.scaffold.table_plan import TablePlan
from midnight.settings import Settings
from midnight.silver_to_gold.masked_columns import masked_names, pseudonym_columns
from spark_jobs.transforms.masking import _digest
from tests.support.binary_copy import binary_block

KEY = MaskingKey(bytes(range(7, 39)))
CUSTOMERS = """\
schema: public
table: customers
silver: customers
key: [email]
on_schema_change: freeze
columns:
  - {name: email, type: text, mask: pseudonym}
  - {name: born, type: date, mask: pseudonym}
  - {name: country, type: text}
"""
ORDERS = """\
schema: public
table: orders
silver: orders
key: [id]
columns:
  - {name: id, type: integer}
  - {name: customer, type: text}
checks:
  - {rule: foreign_key, columns: [customer], table: customers, references: [email]}
"""


@pytest.fixture
def include(tmp_path):
    (tmp_path / "tables").mkdir()
    (tmp_path / "sql" / "gold").mkdir(parents=True)
    (tmp_path / "pipeline.yml").write_text("source: {name: shop}\n")
    (tmp_path / "tables" / "public.customers.yml").write_text(CUSTOMERS)
    return tmp_path


def problems_of(folder):
    with pytest.raises(ConfigurationError) as caught:
        load_run_configuration(Settings(config=folder), [])
    return [str(problem) for problem in caught.value.problems]


@given(st.binary(min_size=32, max_size=80), st.text())
def test_a_pseudonym_is_the_first_half_of_an_hmac(secret, text):
    text = text.encode(errors="replace").decode()  # PostgreSQL does not store lone surrogates
    expected = hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()[:32]
    assert MaskingKey(secret).pseudonym(text) == expected
    assert _digest(secret, 32)(text) == expected


def test_the_key_of_the_hint_is_accepted():
    command = [sys.executable, *shlex.split(GENERATE_KEY_COMMAND)[1:]]
    made = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert parse_key(made).secret == bytes.fromhex(made.strip())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "does not exist or is empty; hint: generate one with python3 -c"),
        (" \n", "does not exist or is empty"),
        ("correct horse battery staple", "is not hexadecimal"),
        ("5e" * 31, "has 31 bytes, fewer than 32"),
        ("deadbeef" * 8, "is not random"),
        ("5e" * 31 + "5", "is not hexadecimal"),
    ],
)
def test_a_weak_key_is_rejected_without_being_quoted(text, reason):
    with pytest.raises(ValueError, match=reason) as caught:
        parse_key(text)
    assert text is None or not text.strip() or text.strip() not in str(caught.value)


def test_the_repr_of_a_key_does_not_contain_it():
    shown = f"{KEY} {KEY!r} {KEY.fingerprint} {vars(KEY).keys()}"
    assert [form for form in (KEY.secret.hex(), repr(KEY.secret)[2:-1]) if form in shown] == []


def test_different_keys_have_different_fingerprints():
    assert len(KEY.fingerprint) == 8
    assert KEY.fingerprint != MaskingKey(KEY.secret[::-1]).fingerprint


def test_all_problems_with_masking_are_reported_with_their_lines(include):
    (include / "tables" / "public.customers.yml").write_text(
        CUSTOMERS.replace("on_schema_change: freeze\n", "").replace(
            "type: date, mask: pseudonym", "type: real, mask: pseudonym"
        )
    )
    (include / "tables" / "public.others.yml").write_text(
        "schema: public\ntable: others\nsilver: others\ncolumns:\n  - {name: a, type: text, mask: sha}\n"
    )
    assert problems_of(include) == [
        "tables/public.customers.yml:7: columns[1].mask: 'pseudonym' is not possible for 'real', only for text, whole "
        "numbers, decimals, dates and timestamps; hint: write bronze_type: text, or drop: true",
        "tables/public.customers.yml:6: columns[0].mask: a table with a masked column needs new_columns, since a new "
        "column may hold personal data; hint: add on_schema_change: freeze, new_columns: ignore, or include (which "
        "shows its values in silver)",
        "tables/public.others.yml:5: columns[0].mask: 'sha' is not a valid value; hint: 'pseudonym'",
    ]


def test_a_foreign_key_is_masked_on_both_sides_or_on_neither(include):
    (include / "tables" / "public.orders.yml").write_text(ORDERS)
    assert problems_of(include) == [
        "tables/public.orders.yml:9: checks[0]: 'customer' is not masked and 'email' of 'customers' is masked, so "
        "their values never match; hint: add mask: pseudonym to both"
    ]
    masked = ORDERS.replace("customer, type: text", "customer, type: text, mask: pseudonym")
    (include / "tables" / "public.orders.yml").write_text(masked.replace("key: [id]", "key: [id]\nnew_columns: ignore"))
    load_run_configuration(Settings(config=include), [])


def test_a_missing_key_is_reported_for_the_table_that_needs_it(include):
    configuration = load_configuration(include)
    found = key_problems(configuration, configuration.tables, "does not exist")
    assert [str(problem) for problem in found] == [
        "tables/public.customers.yml:7: columns[0].mask: needs the key in the Airflow variable midnight_masking_key, "
        "which does not exist"
    ]


def test_a_gold_contract_must_have_the_type_of_a_pseudonym(include):
    (include / "sql" / "gold" / "person.sql").write_text(
        "WITH people AS (SELECT c.email AS mail, born, country FROM silver.customers AS c)\n"
        "SELECT mail, born AS birthday, upper(country) AS country FROM people"
    )
    (include / "sql" / "gold" / "person.yml").write_text(
        "description: people\nkey: [mail]\ncolumns:\n  - {name: mail, type: STRING, max_length: 20}\n"
        "  - {name: birthday, type: DATE}\n  - {name: country, type: STRING}\n"
    )
    assert problems_of(include) == [
        "sql/gold/person.yml:4: columns[0].max_length: 20 is too short for silver.customers.email, which is masked; "
        "hint: use 32",
        "sql/gold/person.yml:5: columns[1].type: 'DATE' cannot hold silver.customers.born, which is masked: a "
        "pseudonym is text; hint: set type: STRING",
    ]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT email FROM silver.customers", {"email": "silver.customers.email"}),
        ("SELECT upper(email) AS email FROM silver.customers", {}),
        ("SELECT o.email FROM silver.customers c JOIN silver.orders o ON true", {}),
        ("SELECT x.e FROM (SELECT email AS e FROM silver.customers) x", {"e": "silver.customers.email"}),
        (
            "SELECT id AS v FROM silver.orders UNION ALL SELECT email FROM silver.customers",
            {"v": "silver.customers.email"},
        ),
        ("SELECT * FROM silver.customers", {n: f"silver.customers.{n}" for n in ("email", "born")}),
    ],
)
def test_masked_columns_are_traced_through_a_query(include, sql, expected):
    masked = masked_names(load_configuration(include).tables)
    assert pseudonym_columns(sql, masked) == expected


def test_the_masking_state_of_the_ledger(include):
    (table,) = load_configuration(include).tables
    assert masking_state(table, KEY) == f"{KEY.fingerprint}:born,email"
    with pytest.raises(ConfigurationError, match="midnight_masking_key"):
        masking_state(table, None)


def test_ingest_does_not_quote_values_of_a_masked_column(include):
    born = BronzeColumn(name="born", source="born", postgres_type="date", stored_as="date")
    number = BronzeColumn(name="number", source="number", postgres_type="numeric", stored_as="numeric(4,2)")
    note = BronzeColumn(name="note", source="note", postgres_type="text", stored_as="text")
    infinite, valid = (2**31 - 1).to_bytes(4), bytes(4)
    wrong = ([infinite, b"1", b""], [valid, b"123456.789", b""], [valid, b"1", b"canary \xff"])
    for masked in (True, False):
        plans = [
            ColumnPlan(born, "born", "date", masked),
            ColumnPlan(number, "number", "number text", masked),
            ColumnPlan(note, "note", "bytes", masked),
        ]
        for row in wrong:
            with pytest.raises(ValueNotRepresentableError) as caught:
                CopyParser("t", plans).parse(binary_block([row]))
            shown = "".join(traceback.format_exception(caught.value))
            assert any(value in shown for value in ("infinity", "123456.789", "canary")) is not masked


def test_masked_values_of_data_factory_are_not_quoted_either(include):
    (table,) = load_configuration(include).tables
    conversion = Conversion(table, datetime.now(UTC))
    born = next(column for column in conversion.columns if column.name == "born")
    wrong = pyarrow.chunked_array([["canary 1981"]])
    with pytest.raises(ValueNotRepresentableError) as caught:
        conversion._convert(wrong, born)
    assert "exactly (masked)" in str(caught.value)
    assert "canary" not in "".join(traceback.format_exception(caught.value))


def test_postgres_message_about_a_value_is_not_passed_on():
    error = asyncpg.InvalidDatetimeFormatError('invalid input syntax for type date: "canary"')
    address = SourceAddress(host="db", port=5432, database="d", user="u")
    assert "canary" in str(source_error(error, address, "public.people"))
    assert str(source_error(error, address, "public.people", masked=True)) == (
        "public.people: PostgreSQL cannot convert a value to the bronze_type of its column "
        "(InvalidDatetimeFormatError; the value may be of a masked column and is not shown); hint: use another type "
        "for that column, for example bronze_type: text"
    )


def test_init_suggests_masks_as_comments(include):
    (table,) = load_configuration(include).tables
    names = {
        "customer_email": "text",
        "EMail": "text",
        "phone": "boolean",
        "dob": "date",
        "emailed": "real",
        "name": "text",
    }
    columns = tuple(Column(name=name, type=kind) for name, kind in names.items())
    text = render_table(TablePlan(table.model_copy(update={"columns": columns, "checks": ()})))
    marked = re.findall(r"- name: (\w+)\n    type: \w+\n    # mask: pseudonym", text)
    assert marked == ["customer_email", "EMail", "dob"]
    assert yaml.safe_load(text)["columns"][0] == {"name": "customer_email", "type": "text"}


def test_the_doctor_checks_the_key(include, tmp_path, monkeypatch):
    monkeypatch.delenv("AIRFLOW_VAR_MIDNIGHT_MASKING_KEY", raising=False)
    configuration, settings = load_configuration(include), Settings(config=include, home=tmp_path / "home")
    assert [f.state for f in check_local_key(settings, configuration)] == ["warn"]
    Instance(settings.home).create()
    (found,) = check_local_key(settings, configuration)
    assert (found.state, re.fullmatch("fingerprint [0-9a-f]{8}", found.found) is not None) == ("ok", True)
    Instance(settings.home).variables.write_text("midnight_masking_key: canary\n")
    (found,) = check_local_key(settings, configuration)
    assert (found.state, "is not hexadecimal" in found.found, "canary" in f"{found}") == ("fail", True, False)
