// While a component that writes the address of its page itself is there, nobody else does.  When the server turns to the page of a run,
// Streamlit first pushes this page with the query of the other one: Back would lead there, to something that nobody made.
function keepAddress() {
  const pushing = (state, unused, url) => {
    const stays = new URL(url ?? "", location.href).pathname === location.pathname;
    if (!stays) History.prototype.pushState.call(history, state, unused, url);
  };
  history.pushState = pushing;
  return () => history.pushState === pushing && delete history.pushState;
}
