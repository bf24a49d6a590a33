"""The server object: the pages, the lab's own routes beside them, and the service that lives as long as the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pandas  # noqa: F401  -- whole, before any thread: Streamlit imports it late, and Plotly beside it would meet half of it
import streamlit as st

from engine.routes import routes, streams
from engine.service import close, service


@asynccontextmanager
async def lifespan(_app: Any) -> AsyncIterator[None]:
    """Owner and supervisor start before the first page; streams end before the server waits for them."""
    await asyncio.to_thread(service)
    try:
        with streams.ended_by_signals():
            yield
    finally:
        await asyncio.to_thread(close)


app = st.App("pages/shell.py", lifespan=lifespan, routes=routes())
