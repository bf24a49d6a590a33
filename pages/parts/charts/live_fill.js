// Filling: from raw points to the traces of one figure, for live_chart.js.  What a trace shows is said by its `meta` (engine/labs/common/traces.py).

const EDGE_WORDS = { NaN: "NaN", Infinity: "+Inf", "-Infinity": "−Inf" };
const DOT = 6; // pixels across, as in engine/labs/common/traces.py
const MOST_MARKS = 200; // per trace; a stretch keeps its two ends

const sum = (row) => row.reduce((a, b) => a + (Number.isFinite(b) ? b : 0), 0) || 1;
// four significant digits, as `number` in pages/parts/words.py writes them
function neat(number) {
  const value = +number.toPrecision(4);
  const size = Math.abs(value);
  if (value === 0 || (size >= 1e-4 && size < 1e4)) return String(value);
  const power = Math.floor((size.toFixed(0).length - 1) / 3);
  if (size > 1 && size < 1e15) return `${+(value / 1000 ** power).toPrecision(4)} ${["", "k", "M", "G", "T"][power]}`;
  return value.toExponential().replace("e+", "e");
}

// x of every stored position of a run, as the page's x axis wants it
const xOf = (run) => {
  if (!hub.time) return (step) => step;
  const mine = hub.runs.get(run);
  return (step, t) => (t ?? timeOf(mine, step)) - (mine?.start ?? 0);
};

// events of the live stream come without a time: it is that of the step
function timeOf(mine, step) {
  const [s] = mine?.whole.series.values() ?? [];
  return s?.t[Math.max(0, s.steps.findLastIndex((at) => at <= step))] ?? 0;
}

function raw(meta) {
  const s = hub.points(meta.run).series.get(meta.key);
  if (!s) return { x: [], y: [], steps: [], nonfinite: [], nonfiniteCount: 0 };
  const at = xOf(meta.run);
  const x = s.steps.map((step, i) => at(step, s.t[i]));
  return { x, y: s.values, steps: s.steps, nonfinite: s.nonfinite.map(([step, t, word]) => ({ x: at(step, t), step, word })), nonfiniteCount: s.nonfiniteCount };
}

// the line breaks where a value was not finite
function broken({ x, y, nonfinite }) {
  if (!nonfinite.length) return { x, y };
  const all = [...x.map((at, i) => [at, y[i]]), ...nonfinite.map((o) => [o.x, null])].sort((a, b) => a[0] - b[0]);
  return { x: all.map((p) => p[0]), y: all.map((p) => p[1]) };
}

// a value without finite neighbours has no line to lie on: it is drawn as a dot
function dots(trace, y) {
  if (trace.mode !== "lines") return {};
  const lone = y.map((v, i) => v !== null && (y[i - 1] ?? null) === null && (y[i + 1] ?? null) === null);
  return lone.includes(true) ? { mode: "lines+markers", marker: { color: trace.line?.color, size: lone.map((dot) => (dot ? DOT : 0)) } } : {};
}

// exponential average over steps, so that thinned points weigh what their gap weighs; it breaks where the line breaks, and of a
// constant it is that constant: one rounding error would be all that the axis shows
function smoothed(points, weight) {
  let mean = 0;
  const y = points.y.map((value, i) => {
    const keep = i ? weight ** Math.max(1, points.steps[i] - points.steps[i - 1]) : 0;
    return (mean = value === mean ? mean : keep * mean + (1 - keep) * value);
  });
  return broken({ ...points, y });
}

function thinned(marks) {
  if (marks.length <= MOST_MARKS) return marks;
  const every = Math.ceil(marks.length / MOST_MARKS);
  const ends = (m, i) => i === 0 || i === marks.length - 1 || marks[i - 1].step < m.step - every || marks[i + 1].step > m.step + every;
  return marks.filter((m, i) => i % every === 0 || ends(m, i));
}

function edge(trace, marks, word) {
  const shown = thinned(marks);
  trace.x = shown.map((m) => m.x);
  trace.y = shown.map(() => trace.meta.height);
  trace.customdata = shown.map((m) => m.says);
  // a label only where a stretch begins, so that a run of a hundred stays readable
  trace.text = shown.map((m, i) => (word && (i === 0 || m.step > shown[i - 1].step + 3) ? word : ""));
  const color = shown.map((m) => m.colour);
  trace.marker = { ...trace.marker, color, line: { ...trace.marker.line, color } };
  trace.showlegend = shown.length > 0;
}

// -> whether what a vector says of a step is no choice: it is not finite itself, or the newest reading of the scores behind it is not
function unchosen(run, scores) {
  const s = hub.points(run).series.get(scores);
  const odd = new Set(s?.nonfinite.map(([step]) => step));
  const steps = odd.size ? [...s.steps, ...odd].sort((a, b) => a - b) : [];
  return (step, row) => !row.every(Number.isFinite) || odd.has(steps[steps.findLastIndex((at) => at <= step)]);
}

// crosses where a router's scores were not finite -> a sentence for the note (engine/labs/moe/charts/_odd_routing.py)
function oddRouting(trace) {
  const { run, key, label, message } = trace.meta;
  const { nonfinite, nonfiniteCount } = raw({ run, key });
  edge(trace, nonfinite.map((o) => ({ ...o, colour: trace.marker.color, says: `${label}, step ${o.step}: no finite scores` })), EDGE_WORDS[nonfinite[0]?.word]);
  trace.showlegend = false;
  const many = `${nonfiniteCount} step${nonfiniteCount > 1 ? "s" : ""}`;
  return nonfiniteCount ? `${label}: ${many} without finite router scores, the first at step ${nonfinite[0].step}: ${message}` : "";
}

function busiest(trace) {
  const { run, noun, scores } = trace.meta;
  const vector = hub.points(run).vectors.get(trace.meta.key);
  const at = xOf(run);
  trace.x = vector ? vector.steps.map((step, i) => at(step, vector.t[i])) : [];
  trace.y = trace.x.map(() => 1);
  const odd = unchosen(run, scores);
  trace.customdata = (vector?.v ?? []).map((row, i) => {
    if (odd(vector.steps[i], row)) return "no finite scores: nothing was chosen";
    const total = sum(row);
    const order = row.map((v, i) => [v / total, i]).sort((a, b) => b[0] - a[0]);
    const idle = row.filter((v) => v / total < 0.1 / row.length).length;
    const top = order.slice(0, 3).map(([v, i]) => `${noun} ${i}: ${(100 * v).toFixed(0)} %`).join("<br>");
    return `${top}<br>${idle} of ${row.length} under a tenth of an equal share`;
  });
}

// stacked bands as a picture: which element owns each height at each step (engine/labs/moe/charts/expert_load.py, `owners`)
function stack(trace) {
  const vector = hub.points(trace.meta.run).vectors.get(trace.meta.key);
  const at = xOf(trace.meta.run);
  const given = vector ? vector.steps.map((step, i) => at(step, vector.t[i])) : [];
  const many = given.length;
  // evenly spaced columns, each with the load last seen there: Plotly paints an even grid ten times faster
  trace.x = given.map((_, i) => given[0] + ((given[many - 1] - given[0]) * i) / Math.max(1, many - 1));
  const odd = unchosen(trace.meta.run, trace.meta.scores);
  let seen = 0;
  const columns = trace.x.map((x) => {
    while (seen + 1 < many && given[seen + 1] <= x + 1e-9) seen += 1;
    return odd(vector.steps[seen], vector.v[seen]) ? new Array(trace.meta.rows).fill(null) : owners(vector.v[seen], trace.meta.rows);
  });
  trace.z = Array.from({ length: trace.meta.rows }, (_, row) => columns.map((column) => column[row]));
}

function owners(load, rows) {
  const column = new Array(rows).fill(null);
  const total = sum(load);
  let top = 0;
  let row = 0;
  load.forEach((value, element) => {
    const part = Number.isFinite(value) ? value / total : 0;
    const first = row;
    top = element === load.length - 1 ? 1 : top + part;
    for (; row < rows && (row + 0.5) / rows <= top; row++) column[row] = element;
    if (first > 0 && row > first && part > 8 / rows) column[first] = null; // a thin band gets no edge
  });
  return column;
}

// plotly.js reads its texts as a few tags of HTML, links among them; what a run says is none
const unlinked = (text) => String(text ?? "").replaceAll("<", "‹");

function lane(trace) {
  const { run, label, symbols } = trace.meta;
  const events = (hub.runs.get(run)?.events ?? []).filter((e) => e.kind !== "image");
  const at = xOf(run);
  trace.x = events.map((e) => at(e.step, e.t));
  trace.y = events.map((e) => unlinked((e.rule || e.kind).replaceAll("_", " ")));
  trace.customdata = events.map((e) => `${label}: ${unlinked(e.says || e.kind)}`);
  trace.marker = { ...trace.marker, symbol: events.map((e) => symbols[e.kind] ?? "circle") };
}

function spikes(trace, lines) {
  const found = lines.filter((l) => l.meta.metric === trace.meta.metric).flatMap((l) => {
    const points = raw(l.meta);
    const at = xOf(l.meta.run);
    return (hub.runs.get(l.meta.run)?.events ?? []).filter((e) => e.kind === trace.meta.event).map((e) => {
      const i = points.steps.indexOf(e.step);
      return { x: at(e.step, e.t), y: i < 0 ? e.value : points.y[i], colour: l.line.color, says: `step ${e.step}: ${unlinked(e.says)}` };
    });
  }).filter((s) => typeof s.y === "number");
  trace.x = found.map((s) => s.x);
  trace.y = found.map((s) => s.y);
  trace.customdata = found.map((s) => s.says);
  trace.marker = { ...trace.marker, color: found.map((s) => s.colour) };
  trace.showlegend = found.length > 0;
}

// what happened, behind the curves: a tint from the step of divergence on, a thin line at every spike and intervention
function regions(runs, [from, end]) {
  const shapes = [];
  const upright = { type: "line", yref: "paper", y0: 0, y1: 1, layer: "below" };
  for (const run of runs) {
    const at = xOf(run);
    const events = hub.runs.get(run)?.events ?? [];
    const onset = events.find((e) => e.kind === "divergence");
    if (onset) {
      const x0 = at(onset.step, onset.t), textposition = x0 > (from + end) / 2 ? "top right" : "top left"; // the longer side holds the words
      const label = { text: `diverged: the rule ${unlinked(onset.rule || "")} fired`, textposition, font: { size: 11, color: "#8A8A8A" } };
      shapes.push({ ...upright, type: "rect", x0, x1: end, fillcolor: "rgba(213,94,0,0.10)", line: { width: 0 }, label });
    }
    for (const e of events.filter((e) => e.kind === "spike" || e.kind === "intervention").slice(0, MOST_MARKS)) {
      const x = at(e.step, e.t);
      shapes.push({ ...upright, x0: x, x1: x, line: { width: 1, color: "rgba(138,138,138,0.6)", dash: e.kind === "spike" ? "solid" : "dash" } });
    }
  }
  return shapes;
}

// ticks of a logarithmic axis: 1, 2, 5 over a few decades; Plotly's own choice over less than one and over many
function logTicks(traces, shown) {
  let [low, high] = shown ?? [Infinity, -Infinity];
  if (!shown) {
    for (const { meta, y } of traces) {
      for (const value of ["line", "spike", "profile", "row"].includes(meta?.kind) ? y : []) {
        if (value > 0) [low, high] = [Math.min(low, Math.log10(value)), Math.max(high, Math.log10(value))];
      }
    }
  }
  if (!(high - low > 0.9 && high - low < 3.2)) return { tickmode: "auto" };
  const values = [];
  for (let power = Math.floor(low); power <= high; power++) for (const digit of [1, 2, 5]) values.push(digit * 10 ** power);
  return { tickmode: "array", tickvals: values, ticktext: values.map(neat) };
}

// -> traces with points, and one sentence on what the panel cannot draw
function fill(traces, { logarithmic, smoothing }) {
  const drawn = traces.map((trace) => ({ ...trace }));
  const lines = drawn.filter((trace) => trace.meta?.kind === "line");
  const points = new Map(lines.map((trace) => [trace, raw(trace.meta)]));
  const markLone = (trace) => Object.assign(trace, dots(trace, logarithmic ? trace.y.map((v) => (v > 0 ? v : null)) : trace.y));
  const seen = new Set();
  let nonfiniteCount = 0;
  let low = 0;
  for (const [trace, p] of points) {
    Object.assign(trace, broken(p));
    markLone(trace);
    if (!seen.has(trace.meta.run + trace.meta.key)) {
      nonfiniteCount += p.nonfiniteCount;
      low += logarithmic ? p.y.filter((v) => v <= 0).length : 0;
    }
    seen.add(trace.meta.run + trace.meta.key);
  }
  const odd = new Set();
  const ends = [...points.values()].flatMap((p) => [p.x[0], p.x.at(-1)]).filter((x) => x !== undefined);
  for (const trace of drawn) {
    const kind = trace.meta?.kind;
    const shown = [...points].map(([line, p]) => ({ line, p }));
    if (kind === "smooth") {
      const mine = shown.find(({ line }) => line.meta.run === trace.meta.run && line.meta.key === trace.meta.key);
      trace.visible = smoothing > 0;
      if (mine) mine.line.opacity = smoothing > 0 ? 0.3 : 1;
      if (mine && smoothing > 0) {
        Object.assign(trace, smoothed(mine.p, smoothing));
        markLone(trace);
      }
    } else if (kind === "nonfinite") {
      const word = EDGE_WORDS[trace.meta.value];
      edge(trace, shown.flatMap(({ line, p }) => p.nonfinite.filter((o) => o.word === trace.meta.value)
        .map((o) => ({ ...o, colour: line.line.color, says: `${word} at step ${o.step}: ${line.name}` }))).sort((a, b) => a.step - b.step), word);
    } else if (kind === "below_zero") {
      edge(trace, !logarithmic ? [] : shown.flatMap(({ line, p }) => p.y.flatMap((v, i) =>
        (v <= 0 ? [{ x: p.x[i], step: p.steps[i], colour: line.line.color, says: `${neat(v)} at step ${p.steps[i]}: ${line.name}` }] : []))), "");
    } else if (kind === "level") {
      trace.x = ends.length ? [Math.min(...ends), Math.max(...ends)] : [];
      trace.y = trace.x.map(() => trace.meta.value);
    } else if (kind === "stack") stack(trace);
    else if (kind === "busiest") busiest(trace);
    else if (kind === "odd_routing") odd.add(oddRouting(trace));
    else if (kind === "events") lane(trace);
    else if (kind === "spike") spikes(trace, lines);
  }
  const lanes = drawn.filter((trace) => trace.meta?.kind === "events").map((trace) => hub.runs.get(trace.meta.run));
  const left = lanes.reduce((many, mine) => many + (mine ? mine.eventsTotal - mine.events.length : 0), 0);
  const says = [
    left > 0 ? `the newest events; ${left} earlier ones are left out` : "",
    nonfiniteCount ? `${nonfiniteCount} non-finite value${nonfiniteCount > 1 ? "s" : ""}, marked at the edge` : "",
    low ? `${low} point${low > 1 ? "s" : ""} at or below 0, marked at the floor` : "",
    ...odd,
  ].filter(Boolean);
  return { drawn, note: says.join(" · ") };
}
