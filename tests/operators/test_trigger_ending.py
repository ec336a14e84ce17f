"""What a trigger does when a person ends its task comes to its end, however often Airflow cancels the trigger."""

from __future__ import annotations

import asyncio

import pytest

from midnight_airflow.triggers.ending import finish


def test_work_goes_on_when_the_trigger_is_cancelled_again():
    done = []

    async def work() -> None:
        await asyncio.sleep(0.05)
        done.append("cancelled in Azure")

    async def triggerer() -> None:
        ending = asyncio.ensure_future(finish(work()))
        await asyncio.sleep(0)
        ending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await ending
        assert done == []
        await asyncio.sleep(0.2)

    asyncio.run(triggerer())
    assert done == ["cancelled in Azure"]


def test_an_error_of_the_work_is_told():
    async def work() -> None:
        raise ValueError("refused")

    with pytest.raises(ValueError, match="refused"):
        asyncio.run(finish(work()))
