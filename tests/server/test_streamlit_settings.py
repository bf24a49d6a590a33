"""Settings of Streamlit without which a page can stand still."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator

import pytest
from streamlit import config
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.forward_msg_cache import populate_hash_if_needed

from engine.core.paths import ROOT


@pytest.fixture
def our_settings() -> Iterator[None]:
    name = "global.minCachedMessageSize"
    before = config.get_option(name)
    config.set_option(name, tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["global"]["minCachedMessageSize"])
    yield
    config.set_option(name, before)


@pytest.mark.usefixtures("our_settings")
def test_no_message_is_named_by_a_hash_that_a_browser_may_have_dropped() -> None:
    """A press on Resume while a part of the page was being made again ended with "Cached ForwardMsg MISS" and a page without a server."""
    large = ForwardMsg()
    large.delta.new_element.markdown.body = "a" * 5_000_000
    populate_hash_if_needed(large)
    assert not large.metadata.cacheable
