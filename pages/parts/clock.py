"""Times of day as the person's own clock shows them: in the zone of the browser, which is named."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import streamlit as st


def zone() -> tuple[tzinfo | None, str]:
    """-> (the browser's zone, its name); of the server where the browser does not say it."""
    name, offset = st.context.timezone, st.context.timezone_offset
    try:
        if name:
            return ZoneInfo(name), name
    except (OSError, ValueError, KeyError):  # this machine does not know the zone: KeyError is ZoneInfoNotFoundError
        if offset is not None:
            return timezone(timedelta(minutes=-offset)), name or ""
    return None, datetime.now().astimezone().tzname() or ""


def local(seconds: float) -> datetime:
    """Unix time as the clock in that zone shows it, for columns that name the zone themselves."""
    return datetime.fromtimestamp(seconds, zone()[0]).replace(tzinfo=None)


def clock(seconds: float) -> str:
    """ "14:05 (Europe/Berlin)"."""
    return f"{local(seconds):%H:%M} ({zone()[1]})"
