// Charts of one step (live = "moment"): rows of vectors and clouds of points, filled at the step of the page's film; for live_chart.js.
// What a trace shows is said by its `meta` (engine/labs/common/charts/_profile.py).

const FILMED = new Set(["row", "points"]); // kinds of traces that stand at one step

// what such a trace needs of the hub
const filmedMetas = (meta) => [meta, ...(meta.also ?? []).map((key) => ({ ...meta, key }))].map((one) => ({ ...one, kind: "moment" }));

const finiteOr = (value, otherwise) => (typeof value === "number" && Number.isFinite(value) ? value : otherwise);

function readRow({ run, key }) {
  const value = hub.film.reading(run, key)?.value;
  return Array.isArray(value) ? value : [];
}

// -> traces with the elements that were read last at or before the step
function fillRows(traces, logarithmic) {
  const drawn = traces.map((trace) => ({ ...trace }));
  const rows = new Map(drawn.filter(({ meta }) => meta?.kind === "row").map((trace) => [trace, readRow(trace.meta)]));
  const at = (trace, i) => (trace.meta.first ?? 0) + i;
  for (const [trace, row] of rows) {
    trace.x = row.map((_, i) => at(trace, i));
    trace.y = row.map((v) => finiteOr(v === 0 && trace.meta.zeros ? null : v, null));
  }
  for (const trace of drawn) {
    const { kind, value } = trace.meta ?? {};
    if (kind === "zero") {
      const [line, row] = [...rows].find(([one]) => one.meta.run === trace.meta.run && one.meta.key === trace.meta.key) ?? [null, []];
      trace.x = row.flatMap((v, i) => (v === 0 ? [at(line, i)] : []));
      trace.y = trace.x.map(() => trace.meta.height);
      trace.showlegend = trace.x.length > 0;
    } else if (kind === "odd") {
      const marks = [...rows].flatMap(([line, row]) => row.flatMap((v, i) => (v === value ? [{ x: at(line, i), colour: line.line.color, name: line.name }] : [])));
      trace.x = marks.map((mark) => mark.x);
      trace.y = marks.map(() => trace.meta.height);
      trace.customdata = marks.map((mark) => mark.name);
      trace.marker = { ...trace.marker, color: marks.map((mark) => mark.colour) };
      trace.showlegend = marks.length > 0;
    }
  }
  return { drawn, note: "", logarithmic };
}
