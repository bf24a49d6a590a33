// The film of a page: the one step at which cross-hair, schematics, samples, pictures and tables stand, for live_hub.js.  Moving it asks
// the server nothing; when the hand rests, the exact readings around it are fetched.

const NEAR = 60; // steps to either side that are fetched exactly
const PAUSE = 300; // milliseconds of rest before they are
const FILM = 12; // seconds that playing everything takes

class Film {
  step = null; // null follows the newest step
  near = new Map(); // run -> { lo, hi, points } of exact readings
  playing = null;

  constructor(hub) {
    this.hub = hub;
  }

  // the newest step that any run of the page has reached
  last() {
    let last = 0;
    for (const { whole, state } of this.hub.runs.values()) {
      for (const s of [...whole.series.values(), ...whole.vectors.values(), ...whole.evens.values()]) last = Math.max(last, s.last);
      last = Math.max(last, (state.step ?? 0) - 1);
    }
    return last;
  }

  // everything on the page goes to `step`; null, or the newest one, follows the newest
  seek(step) {
    const to = step === null || step >= this.last() ? null : Math.max(0, Math.round(step));
    if (to === this.step) return;
    this.step = to;
    cancelAnimationFrame(this.moving);
    this.moving = requestAnimationFrame(() => this.hub.charts.forEach((part) => part.seek?.()));
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.rest(), PAUSE);
  }

  // where the step lies on the page's horizontal axis, for a run; null while the page follows the newest
  x(run) {
    if (this.step === null || !this.hub.time) return this.step;
    const held = this.hub.runs.get(run);
    const [s] = held?.whole.series.values() ?? [];
    const i = s?.steps.findLastIndex((step) => step <= this.step) ?? -1;
    return i < 0 ? null : s.t[i] - held.start;
  }

  // the last reading of a series at or before the step -> { step, value }, null where there is none; `value` is a number, a word for
  // one that is not finite, or the elements of a vector
  reading(run, key) {
    const held = this.hub.runs.get(run);
    if (!held) return null;
    const upto = this.step ?? Infinity;
    const near = this.near.get(run);
    const exact = near && upto >= near.lo && upto <= near.hi ? readingOf(near.points, key, upto) : null;
    const rough = readingOf(held.whole, key, upto);
    return exact && (!rough || exact.step >= rough.step) ? exact : rough;
  }

  async rest() {
    const { step } = this;
    for (const part of this.hub.charts) part.rested?.(step);
    if (step === null || this.playing) return;
    await Promise.all([...this.hub.runs].map(async ([run, { keys }]) => {
      const [lo, hi] = [Math.max(0, step - NEAR), step + NEAR];
      const got = await this.hub.ask(run, keys, [lo, hi]);
      if (got.points) this.near.set(run, { lo, hi, points: got.points });
    }));
    if (this.step === step) this.hub.charts.forEach((part) => part.seek?.());
  }

  // over everything, from the start where the page stood at its end
  play() {
    if (this.playing) return this.pause();
    if (this.step === null) this.seek(0);
    const last = this.last();
    const [from, began] = [this.step ?? 0, performance.now()];
    this.playing = setInterval(() => {
      this.seek(from + ((performance.now() - began) / 1000 / FILM) * last);
      if (this.step === null) this.pause();
    }, 80);
    this.hub.charts.forEach((part) => part.seek?.());
  }

  pause() {
    clearInterval(this.playing);
    this.playing = null;
    this.hub.charts.forEach((part) => part.seek?.());
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.rest(), PAUSE);
  }
}

function readingOf(points, key, upto) {
  const vector = points.evens.get(key) ?? points.vectors.get(key);
  if (vector) {
    const i = vector.steps.findLastIndex((step) => step <= upto);
    return i < 0 ? null : { step: vector.steps[i], value: vector.v[i] };
  }
  const series = points.series.get(key);
  if (!series) return null;
  const i = series.steps.findLastIndex((step) => step <= upto);
  const odd = series.nonfinite.findLast(([step]) => step <= upto);
  if (i < 0 && !odd) return null;
  return odd && (i < 0 || odd[0] > series.steps[i]) ? { step: odd[0], value: odd[2] } : { step: series.steps[i], value: series.values[i] };
}
