// When the server turns the page (`st.switch_page`), Streamlit (1.67) first writes the query of the page that comes into the address of
// the page that goes, and then goes: Back would lead to the old page with a query that is not its own.  Such an address leaves the history.
const watchTurns = () => {
  const { pushState, replaceState } = History.prototype;
  let written = null; // what the page last wrote into its own address, and nobody has touched anything since
  const note = (url, added) => {
    const next = new URL(url ?? "", location.href);
    written = next.pathname === location.pathname ? { search: next.search, added, state: history.state, before: location.href } : null;
  };
  const turns = (next) => written && next.pathname !== location.pathname && next.search && next.search === written.search && next.search === location.search;
  History.prototype.replaceState = function (state, unused, url) {
    note(url, false);
    return replaceState.call(this, state, unused, url);
  };
  History.prototype.pushState = function (state, unused, url) {
    if (!turns(new URL(url ?? "", location.href))) {
      note(url, true);
      return pushState.call(this, state, unused, url);
    }
    const { added, state: left, before } = written;
    written = null;
    if (added) return replaceState.call(this, state, unused, url);
    replaceState.call(this, left, unused, before);
    return pushState.call(this, state, unused, url);
  };
  for (const touch of ["pointerdown", "keydown", "popstate"]) addEventListener(touch, () => (written = null), true);
};

export default function () {
  if (globalThis.turnsAreWatched) return;
  globalThis.turnsAreWatched = true;
  watchTurns();
}
