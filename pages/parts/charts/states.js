// What the place of a chart may say about its points: one table from what the hub knows of them to the words allowed there.

const STATES = {
  "chart": {
    "unknown": [],
    "fetching": [],
    "living-empty": ["Waiting for the first point", "No reading of this so far"],
    "points": ["No point in the visible range"],
    "ended-empty": ["Nothing was measured here"],
    "unreachable": []
  },
  "events": {
    "unknown": [],
    "fetching": [],
    "living-empty": ["No rule has fired so far"],
    "points": [],
    "ended-empty": ["No rule fired", "No event was recorded"],
    "unreachable": []
  }
};
const FIRST = ["points", "unreachable", "unknown", "fetching", "living-empty", "ended-empty"]; // of several runs, what counts
const SKELETON = new Set(["unknown", "fetching"]); // shown as a shimmer: any sentence might be false
const KNOWN = new Set(["living-empty", "points", "ended-empty"]); // worth a drawing, although there may be nothing in it

const ofEvents = (chart) => chart.spec.name === "event_lane";
const has = (points, key) => (points.series.get(key) ?? points.vectors.get(key) ?? points.evens.get(key))?.last >= 0;

// the state of one chart: of the series it draws, and not of the run they belong to
function stateOf(chart) {
  if (hub.troubles.get("library")) return "unreachable";
  const states = new Set(chart.spec.runs.map((run) => stateOfRun(chart, run)));
  return FIRST.find((state) => states.has(state)) ?? "unknown";
}

function stateOfRun(chart, run) {
  const { figure, living } = chart.spec;
  const redraw = chart.spec.redraw && !chart.spec.moment;
  const mine = hub.runs.get(run);
  if (redraw && !figure.data.every(hollow)) return "points";
  const keys = redraw ? [] : chart.metas().filter((meta) => meta.run === run && meta.key).map((meta) => meta.key);
  if (mine && keys.some((key) => has(mine.whole, key))) return "points";
  if (mine && ofEvents(chart) && mine.events.some((event) => event.kind !== "image")) return "points";
  const lives = mine?.state.status ? !ENDED.has(mine.state.status) : living.includes(run);
  if (hub.troubles.get(run) || (lives && hub.troubles.get("stream"))) return "unreachable";
  if (!mine?.fetched || !keys.every((key) => mine.fetched.has(key))) return mine?.turn ? "fetching" : "unknown";
  if (redraw && living.includes(run) && !lives) return "fetching"; // the server has yet to make the figure of the ended run
  return lives ? "living-empty" : "ended-empty";
}

// it has points and is not drawn, as nobody has scrolled to it: whether any of them is in range shows when it is drawn
const unseen = (chart, state) => state === "points" && !chart.drawn;

// the words of that state; "" where a skeleton, or the trouble itself, stands instead
function wordsOf(chart) {
  const state = stateOf(chart);
  if (unseen(chart, state)) return "";
  const words = STATES[ofEvents(chart) ? "events" : "chart"][state];
  if (state === "living-empty" && words.length > 1) return words[hub.hasNoData(chart.spec.runs) ? 0 : 1];
  if (state === "ended-empty" && words.length > 1) {
    const diverged = chart.spec.runs.some((run) => hub.runs.get(run)?.state.status === "diverged");
    return words[diverged ? 1 : 0]; // a run that left every range has no "no rule fired"
  }
  return words[0] ?? "";
}
