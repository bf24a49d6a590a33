// Fetches plotly.js while nothing else happens, so that the first chart need not wait for it.
export default function ({ data }) {
  below(data);
  (globalThis.requestIdleCallback ?? setTimeout)(() => plotly().catch(() => {})); // a chart that needs it says what is wrong
}
