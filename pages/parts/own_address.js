// What the page writes into its own address replaces it: Streamlit would add an entry to the browser's history at every change
// of a field, and each of them would have to be pressed away before Back leads to the page before.
export default function () {
  const page = location.pathname;
  const replacing = (state, unused, url) => {
    const stays = new URL(url ?? "", location.href).pathname === page;
    return History.prototype[stays ? "replaceState" : "pushState"].call(history, state, unused, url);
  };
  history.pushState = replacing;
  return () => {
    if (history.pushState === replacing) delete history.pushState;
  };
}
