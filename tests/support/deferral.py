"""The deferral of an operator."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred


def deferred(operator: Any, context: dict[str, Any]) -> Any:
    """The trigger that the operator waits for."""
    with pytest.raises(TaskDeferred) as raised:
        operator.execute(context)
    assert raised.value.method_name == "execute_complete"
    return raised.value.trigger
