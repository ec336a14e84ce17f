"""The button of a task instance that opens its run in Databricks, Data Factory or Power BI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

RUN_PAGE_URL = "run_page_url"


class RunPageLink(BaseOperatorLink):
    """Opens the address that the task pushed as XCom ``run_page_url``."""

    name = "Run in Azure"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """The address; empty before the task has pushed one."""
        from airflow.sdk.execution_time.xcom import XCom

        return XCom.get_value(key=RUN_PAGE_URL, ti_key=ti_key) or ""
