"""The lab's server with a page of as many live charts as asked for: `streamlit run tests/benchmarks/many_charts.py`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import streamlit as st

from engine.routes import routes, streams
from engine.service import close, service


@asynccontextmanager
async def lifespan(_app: Any) -> AsyncIterator[None]:
    """As in app.py."""
    await asyncio.to_thread(service)
    try:
        with streams.ended_by_signals():
            yield
    finally:
        await asyncio.to_thread(close)


app = st.App("many_charts_page.py", lifespan=lifespan, routes=routes())
