"""The base of all configuration models, and what their docstrings say about fields."""

from __future__ import annotations

import inspect
import re

from pydantic import BaseModel, ConfigDict


class ConfigurationModel(BaseModel):
    """Unknown fields are errors: a misspelt rule that is silently ignored lets invalid rows through."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


def model_description(model: type[BaseModel]) -> str:
    """A model's docstring without its ``Args`` section, on one line."""
    text = inspect.cleandoc(model.__doc__ or "").partition("Args:\n")[0]
    return " ".join(text.split()).replace("``", "`")


def field_descriptions(model: type[BaseModel]) -> dict[str, str]:
    """What the docstrings of a model and its base classes say about each field, on one line each."""
    result: dict[str, str] = {}
    for parent in reversed(model.__mro__):
        section = inspect.cleandoc(parent.__doc__ or "").partition("Args:\n")[2]
        for name, text in re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", section, re.MULTILINE):
            result[name] = " ".join(text.split())
    return result
