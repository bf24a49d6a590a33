"""A timer of the page that was left must not blank the page that came.

Parts of a page draw themselves again on a timer in the browser.  When the server turns the page (`st.switch_page`), a
timer that fires before the browser knows of it asks for a part of the old page, and Streamlit (1.67) answers after the
new page: the browser takes that for one more turn, clears the page and gets nothing to put there.  Such a request is
dropped here.  Page links are not concerned: with them the browser stops its timers first.
"""

from __future__ import annotations

from typing import Any

from streamlit.runtime.scriptrunner import script_runner

ScriptRunner = script_runner.ScriptRunner
_run_script = ScriptRunner._run_script


def drop() -> None:
    """From now on, for every session of this process.  Calling it twice changes nothing."""
    ScriptRunner._run_script = _unless_late


def _unless_late(self: Any, rerun: Any) -> None:
    """Run the script, unless only parts of a page are asked for that is no longer shown."""
    shown = self._get_script_run_ctx().page_script_hash  # empty in a runner that has run nothing yet
    if not (rerun.fragment_id_queue and shown and rerun.page_script_hash and rerun.page_script_hash != shown):
        _run_script(self, rerun)
