"""Every text survives the YAML that ``make init`` writes."""

from __future__ import annotations

import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from midnight.scaffold.yaml_text import comment, fields, flow_list, scalar
from tests.support.editor import load_yaml_12

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
VALUES = TEXTS | st.integers() | st.booleans() | st.none()


@given(VALUES)
@example("null")
@example("yes")
@example("1e3")
@example("0o17")
@example("2013-01-01")
@example("a: b #c")
@example("one\ntwo\r\n\x85\u2028")
@example("")
@example("- x")
def test_a_scalar_survives_on_one_line(value):
    text = scalar(value)
    assert (len(f"k: {text}".splitlines()), yaml.safe_load(f"k: {text}\nl: 1")) == (1, {"k": value, "l": 1})
    assert load_yaml_12(f"k: {text}") == {"k": value}  # also in an editor


@given(st.lists(TEXTS))
def test_a_list_survives(values):
    assert {"k": values} == yaml.safe_load(f"k: {flow_list(values)}")


@given(TEXTS)
def test_a_comment_is_only_a_comment(text):
    lines = comment(text, indent=2)
    assert (yaml.safe_load("\n".join(lines)), [line for line in lines if not line.startswith("  # ")]) == (None, [])


def test_an_item_starts_with_a_dash_and_omits_none():
    assert fields([("name", "a"), ("x", None), ("type", "text")], 2, item=True) == ["  - name: a", "    type: text"]
