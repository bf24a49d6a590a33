// The hub: one per page.  It holds the points of the runs on screen, fetched from /snapshot and grown
// from one /live stream that all charts share (live_points.js: those of one run), and the range and the hover position
// they have in common.

const POINTS = 1000; // per series and snapshot; a series that has doubled is fetched again, thinned by the server
const SOON = 400; // milliseconds that the first snapshot of a living run waits for its stream, after which it belongs
const ROWS = 240; // per vector series
const EVENTS = 2000; // the newest of a run, as in a snapshot
const VECTORS = new Set(["stack", "busiest"]); // kinds of traces that are filled from a vector series
const ENDED = new Set(["finished", "stopped", "diverged", "failed", "killed", "lost", "unreadable"]);

class Hub {
  charts = new Set();
  pendingFirstDraw = new Set(); // charts that wait for their first drawing
  runs = new Map(); // id -> {whole, zoom, events, state, start, turn, keys, fetched}; `fetched`: the keys that a snapshot answered
  range = null; // [low, high] in units of the x axis, null for everything
  resets = 0; // how often a person asked to see everything
  time = false; // x is seconds since the start of the run instead of steps
  stream = new LiveStream(this);
  film = new Film(this); // the step at which everything on the page stands
  troubles = new Map(); // what does not answer ("library", "stream", a run) -> a sentence

  constructor() {
    document.addEventListener("visibilitychange", () => (document.hidden ? this.stream.close() : this.resync()));
    for (const [name, on] of [["beforeprint", true], ["afterprint", false]]) addEventListener(name, () => this.charts.forEach((chart) => chart.print?.(on)));
  }

  join(chart) {
    this.charts.add(chart);
    if (!this.runs.size && chart.spec.living.length) this.sync(); // the stream need not wait for the other charts
    this.plan();
  }

  leave(chart) {
    this.charts.delete(chart);
    this.pendingFirstDraw.delete(chart);
    this.plan();
  }

  // charts come and go one after the other: ask once for all of them
  plan() {
    clearTimeout(this.planned);
    this.planned = setTimeout(() => this.sync(), 50);
  }

  // what the charts on the page need, run by run
  wanted() {
    const wanted = new Map();
    for (const chart of this.charts) {
      for (const run of chart.spec.runs) if (!wanted.has(run)) wanted.set(run, { series: new Set(), vectors: new Set(), evens: new Set() });
      for (const { run, key, kind } of chart.metas()) {
        if (!key || !wanted.has(run)) continue;
        wanted.get(run)[kind === "moment" ? "evens" : VECTORS.has(kind) ? "vectors" : "series"].add(key);
      }
    }
    return wanted;
  }

  sync() {
    const wanted = this.wanted();
    for (const run of [...this.runs.keys()]) if (!wanted.has(run)) this.runs.delete(run);
    if (!this.charts.size) this.range = null;
    for (const [run, keys] of wanted) {
      const known = this.runs.get(run);
      if (!known) this.runs.set(run, { whole: emptyPoints(), zoom: null, events: [], eventsTotal: 0, state: {}, start: Infinity, turn: 0, failures: 0, keys });
      const missing = known?.turn && ["series", "vectors", "evens"].some((set) => [...keys[set]].some((k) => !known.keys[set].has(k)));
      if (known) known.keys = keys;
      const revived = known && ENDED.has(known.state.status) && this.lives(run); // resumed
      if (!known && this.lives(run) && !document.hidden) setTimeout(() => this.runs.get(run)?.turn === 0 && this.fetch(run), SOON);
      else if (!known || missing || revived) this.fetch(run).then(() => this.listen());
    }
    this.listen();
  }

  lives(run) {
    return [...this.charts].some((chart) => chart.spec.living.includes(run));
  }

  // one run's points over everything, and over the visible range while the page is zoomed
  async fetch(run) {
    const mine = this.runs.get(run);
    if (!mine) return;
    const turn = ++mine.turn;
    const { keys } = mine;
    mine.late ??= []; // what the stream says while the answer is on its way belongs on top of it
    const span = this.steps(run);
    const [whole, zoom] = await Promise.all([this.ask(run, keys), span ? this.ask(run, keys, span) : null]);
    if (this.runs.get(run) !== mine || mine.turn !== turn) return;
    const late = mine.late;
    mine.late = null;
    if (whole.trouble) {
      mine.failures += 1;
      if (mine.failures > 1) this.trouble(run, whole.trouble); // the first may be that of a run that is only just there
      return void setTimeout(() => this.runs.get(run) === mine && mine.turn === turn && this.fetch(run).then(() => this.listen()), AGAIN);
    }
    mine.failures = 0;
    this.trouble(run, "");
    mine.fetched = new Set([...keys.series, ...keys.vectors, ...keys.evens]);
    mine.whole = whole.points;
    this.film.near.delete(run);
    mine.zoom = zoom?.points ? { ...zoom.points, upto: span[1] } : null;
    mine.events = whole.events;
    mine.eventsTotal = whole.eventsTotal;
    mine.state = { ...mine.state, ...whole.state };
    for (const message of late) this.add(mine, message);
    for (const s of mine.whole.series.values()) mine.start = Math.min(mine.start, s.t[0] ?? Infinity, s.nonfinite[0]?.[1] ?? Infinity);
    this.notify(run);
  }

  async ask(run, keys, span) {
    const query = [["run", run], ["points", POINTS]];
    for (const key of keys.series) query.push(["series", key]);
    for (const key of keys.vectors) query.push(["vector", key]);
    for (const key of keys.evens) query.push(["even", key]);
    if (span) query.push(["lo", span[0]], ["hi", span[1]]);
    try {
      const got = await askJson(address("snapshot", query));
      const points = emptyPoints();
      for (const [key, s] of Object.entries(got.series)) points.series.set(key, seriesFrom(s));
      for (const set of ["vectors", "evens"]) for (const [key, v] of Object.entries(got[set])) points[set].set(key, vectorFrom(v));
      return { points, events: got.events, eventsTotal: got.events_total, state: got.state };
    } catch (error) {
      return { trouble: error.message };
    }
  }

  // the runs that still grow, while somebody looks
  growing() {
    const goesOn = ([run, { state }]) => (state.status ? !ENDED.has(state.status) : this.lives(run));
    return document.hidden ? [] : [...this.runs].filter(goesOn).map(([run]) => run);
  }

  listen() {
    this.stream.follow(this.growing().sort());
  }

  resync() {
    for (const run of this.growing()) this.runs.get(run).fetched = null; // nobody knows what came meanwhile
    for (const run of this.runs.keys()) this.fetch(run);
    this.listen();
  }

  // something does not answer, or does again: the charts that miss it say so in their place
  trouble(what, sentence) {
    if ((this.troubles.get(what) ?? "") === sentence) return;
    this.troubles.set(what, sentence);
    if (what === "stream" && sentence) for (const run of this.growing()) this.runs.get(run).fetched = null;
    for (const chart of this.charts) chart.notes();
  }

  troubleOf({ runs, living }) {
    const stream = living.length ? this.troubles.get("stream") : "";
    return [...new Set([this.troubles.get("library"), ...runs.map((run) => this.troubles.get(run)), stream])].filter(Boolean).join(" ");
  }

  grow(message) {
    const mine = this.runs.get(message.run);
    if (!mine) return;
    const superseded = message.reset !== undefined && message.reset !== null;
    if (mine.late && !superseded) mine.late.push(message);
    this.add(mine, message);
    if (superseded || ENDED.has(message.state?.status)) mine.fetched = null;
    const full = [...mine.whole.series.values()].some((s) => s.steps.length > 2 * POINTS)
      || [...mine.whole.vectors.values(), ...mine.whole.evens.values()].some((v) => v.steps.length > 2 * ROWS);
    if (superseded || full || ENDED.has(message.state?.status)) this.fetch(message.run).then(() => this.listen());
    this.notify(message.run);
  }

  add(mine, message) {
    for (const [set, upto] of [[mine.whole, Infinity], [mine.zoom, mine.zoom?.upto ?? 0]]) {
      if (!set) continue;
      for (const [key, more] of Object.entries(message.points ?? {})) {
        if (!mine.keys.series.has(key)) continue;
        if (!set.series.has(key)) set.series.set(key, seriesFrom({ steps: [], t: [], values: [] }));
        growSeries(set.series.get(key), more, upto);
        if (set === mine.whole) mine.start = Math.min(mine.start, more.t[0] ?? Infinity);
      }
      for (const [key, more] of Object.entries(message.vectors ?? {})) {
        for (const kind of ["vectors", "evens"]) {
          if (!mine.keys[kind].has(key)) continue;
          if (!set[kind].has(key)) set[kind].set(key, vectorFrom({ steps: [], t: [], v: [] }));
          growVector(set[kind].get(key), more, upto);
        }
      }
    }
    const name = (e) => `${e.step} ${e.kind} ${e.rule} ${e.layer}`;
    const seen = new Set(mine.events.map(name));
    const more = (message.events ?? []).filter((e) => !seen.has(name(e)));
    mine.eventsTotal += more.length;
    mine.events = [...mine.events, ...more].slice(-EVENTS);
    if (message.state) mine.state = { ...mine.state, ...message.state };
  }

  // charts are drawn for the first time one after the other, those that have something to show first
  enqueueFirstDraw(chart) {
    this.pendingFirstDraw.add(chart);
    chart.showPlaceholder();
    this.drawing ??= this.drawQueue().finally(() => (this.drawing = null));
  }

  async drawQueue() {
    await frame(); // all charts that come together are chosen from together
    for (let next; (next = this.nextFirstDraw()); await next.draw()) this.pendingFirstDraw.delete(next);
  }

  nextFirstDraw() {
    const inView = [...this.pendingFirstDraw].filter((chart) => chart.inView && this.charts.has(chart));
    return inView.find((chart) => !chart.empty()) ?? inView.find((chart) => KNOWN.has(stateOf(chart)) && !this.hasNoData(chart.spec.runs));
  }

  // nothing is known yet of any of these runs, or they have measured nothing so far
  hasNoData(runs) {
    return runs.every((run) => {
      const mine = this.runs.get(run);
      if (!mine?.state.status) return true;
      const measured = [...mine.whole.series.values(), ...mine.whole.vectors.values()].some((s) => s.last >= 0);
      return !measured && !mine.state.step && !ENDED.has(mine.state.status);
    });
  }

  // what one redraw of everything in view takes, in milliseconds: the charts draw in the same frame, so the clock of the first
  // runs while all the others draw
  redrawCost() {
    return Math.max(0, ...[...this.charts].filter((chart) => chart.inView).map((chart) => chart.cost));
  }

  notify(run) {
    for (const chart of this.charts) if (chart.spec.runs.includes(run)) chart.stale();
  }

  // -- what all charts of a page share ----------------------------------------------------------

  points(run) {
    const mine = this.runs.get(run);
    return mine ? (this.range && mine.zoom) || mine.whole : emptyPoints();
  }

  // the visible range in steps, with half a width to either side, so that lines run to the edge
  steps(run) {
    if (!this.range) return null;
    let [low, high] = this.range;
    if (this.time) {
      const [s] = this.runs.get(run)?.whole.series.values() ?? [];
      if (!s?.steps.length) return null;
      const at = (seconds) => s.steps[Math.max(0, s.t.findLastIndex((t) => t - this.runs.get(run).start <= seconds))];
      [low, high] = [at(low), at(high)];
    }
    const half = (high - low) / 2;
    return [Math.max(0, Math.floor(low - half)), Math.ceil(high + half)];
  }

  // everything there is, the same on every chart of the page
  extent() {
    let last = 0;
    for (const { whole, events, start } of this.runs.values()) {
      for (const s of [...whole.series.values(), ...whole.vectors.values(), ...whole.evens.values()]) {
        const t = Math.max(s.t.at(-1) ?? start, s.nonfinite?.at(-1)?.[1] ?? start) - start;
        last = Math.max(last, this.time ? (Number.isFinite(t) ? t : 0) : s.last);
      }
      if (!this.time) for (const e of events) last = Math.max(last, e.step);
    }
    last ||= 1;
    return [-0.01 * last, 1.02 * last];
  }

  zoomTo(range, forced = false) {
    if (!forced && JSON.stringify(range) === JSON.stringify(this.range)) return;
    this.range = range;
    for (const chart of this.charts) chart.stale(true);
    clearTimeout(this.zooming);
    this.zooming = setTimeout(() => [...this.runs.keys()].forEach((run) => this.fetch(run)), 120);
  }

  hover(x, from) {
    cancelAnimationFrame(this.hovering);
    this.hovering = requestAnimationFrame(() => this.charts.forEach((chart) => chart !== from && chart.point(x)));
  }
}

const hub = (globalThis.faultlineHub ??= new Hub());
