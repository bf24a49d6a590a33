// The points of one run as the hub holds them: what a snapshot brought, grown by what the stream adds; live_fill.js draws from them.

const emptyPoints = () => ({ series: new Map(), vectors: new Map(), evens: new Map() }); // evens: vectors thinned evenly, for a film

// one series: finite values apart from the others, so that an axis never meets an infinity
const seriesFrom = (got) => {
  const nonfinite = got.nonfinite ?? [];
  const last = Math.max(got.steps.at(-1) ?? -1, nonfinite.at(-1)?.[0] ?? -1);
  return { steps: got.steps, t: got.t, values: got.values, nonfinite, nonfiniteCount: got.nonfinite_count ?? nonfinite.length, last };
};
const vectorFrom = (got) => ({ steps: got.steps, t: got.t, v: got.v, last: got.steps.at(-1) ?? -1 });

function growSeries(series, add, upto) {
  add.steps.forEach((step, i) => {
    if (step <= series.last || step > upto) return;
    series.last = step;
    if (typeof add.values[i] === "number") {
      series.steps.push(step);
      series.t.push(add.t[i]);
      series.values.push(add.values[i]);
    } else {
      series.nonfinite.push([step, add.t[i], add.values[i]]);
      series.nonfiniteCount += 1;
    }
  });
}

function growVector(vector, add, upto) {
  add.steps.forEach((step, i) => {
    if (step <= vector.last || step > upto) return;
    vector.last = step;
    vector.steps.push(step);
    vector.t.push(add.t[i]);
    vector.v.push(add.v[i]);
  });
}
