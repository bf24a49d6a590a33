// The live chart: draws once, stays mounted, and redraws its figure from the hub's points.

// Milliseconds between two draws: less than the 200 between two messages, so that a message finds its chart free, and
// never less than one and a half times what drawing all charts in view takes.
const LEAST = 150;
const REST = 1.5;

const NARROW = 520; // pixels of a chart's box
const LEGEND_LINE = 19; // pixels

// only what is named here: no button that would send the figure anywhere
const config = (chart, Plotly) => ({
  displaylogo: false,
  displayModeBar: bar(),
  responsive: false,
  doubleClick: chart.spec.redraw ? "reset" : false,
  modeBarButtons: [[
    chart.spec.redraw ? "resetScale2d" : { name: "everything", title: "Show everything", icon: Plotly.Icons.home, click: () => chart.zoom(null) },
    "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "toImage",
  ]],
});

class LiveChart {
  constructor(root) {
    this.root = root;
    this.box = document.createElement("div");
    this.box.className = "fl-chart";
    this.box.setAttribute("role", "group");
    this.node = document.createElement("div");
    this.note = document.createElement("div");
    this.note.className = "fl-note";
    this.note.setAttribute("role", "status");
    this.cross = document.createElement("div");
    this.cross.className = "fl-cross";
    this.cross.hidden = true;
    this.stand = document.createElement("div"); // the step at which the page's film stands
    this.stand.className = "fl-cross fl-stand";
    this.stand.hidden = true;
    this.waits = document.createElement("div"); // what an empty place shows: a skeleton, or the words of its state (states.js)
    this.waits.className = "fl-waits";
    this.box.append(this.node, this.cross, this.stand, this.waits, this.note);
    root.append(this.box);
    this.cost = 0;
    this.drawnAt = 0;
    this.inView = false;
    this.dirty = false;
    this.looks = new IntersectionObserver((changes) => {
      this.inView = changes.at(-1).isIntersecting; // a busy browser tells several at once, the newest last
      if (this.inView && this.dirty) this.stale(true);
    }, { rootMargin: "80px" });
    this.looks.observe(this.box);
    this.sizes = new ResizeObserver(() => this.node.clientWidth !== this.width && this.stale(true));
    this.sizes.observe(this.box);
  }

  metas() {
    return this.spec.figure.data.flatMap(({ meta }) => (!meta ? [] : FILMED.has(meta.kind) && this.spec.moment ? filmedMetas(meta) : [meta]));
  }

  update({ data, setStateValue }) {
    below(data);
    const before = this.spec;
    this.spec = data;
    this.box.setAttribute("aria-label", data.title); // what the heading above it says to the eye
    this.report = setStateValue;
    if (before?.redraw && JSON.stringify(before) === JSON.stringify(data)) return; // made again, and nothing is new
    const others = before && before.runs.join() !== data.runs.join();
    if (others || (!before && hub.range === null)) hub.range = data.range;
    const time = data.modes.x === "time";
    if (hub.time !== time) {
      hub.time = time;
      if (before && !others) hub.zoomTo(null); // a range of steps is no range of seconds
    }
    if (before && data.jump !== before.jump) hub.zoomTo(data.range); // a sentence of the page was pressed
    hub.join(this);
    this.stale(true);
  }

  // something changed: draw soon, but not more often than the page can bear
  stale(now = false) {
    if (!now && this.drawn && (this.spec.modes.paused || (this.spec.redraw && this.whole && !this.follows()))) return;
    this.dirty = true;
    if (!this.drawn) return hub.enqueueFirstDraw(this);
    if (!this.inView || (this.waiting && !now)) return;
    clearTimeout(this.waiting);
    const wait = now ? 0 : Math.max(0, this.drawnAt + Math.max(LEAST, REST * hub.redrawCost()) - performance.now());
    this.waiting = setTimeout(() => requestAnimationFrame(() => this.draw()), wait);
  }

  // a chart of one step, while the page follows the newest
  follows() {
    return this.spec.moment && hub.film.step === null;
  }

  content() {
    const logarithmic = this.spec.log && this.spec.modes.axis === "log";
    if (this.spec.moment) return fillRows(this.spec.figure.data, logarithmic);
    if (this.spec.redraw) return { drawn: structuredClone(this.spec.figure.data), note: "", logarithmic };
    return { ...fill(this.spec.figure.data, { logarithmic, smoothing: this.spec.modes.smoothing }), logarithmic };
  }

  empty() {
    return (this.spec.redraw && !this.spec.moment ? this.spec.figure.data : this.content().drawn).every(hollow);
  }

  // an empty chart is not drawn before its runs have anything to show: that would only hold up those that have
  showPlaceholder() {
    this.node.style.minHeight = `${this.height(this.box.clientWidth)}px`; // nothing moves when the chart comes
    this.notes();
  }

  // on a narrow screen the lines of a legend come on top of the height, so that they never take the panel's
  height(width) {
    const { layout, data } = this.spec.figure;
    const height = layout.height ?? 300;
    if (!width || width > NARROW || layout.showlegend === false) return height;
    const shown = data.filter((trace) => trace.name && trace.showlegend !== false && trace.meta?.kind !== "events");
    const room = width - 92; // between the margins
    let lines = 0;
    let left = 0;
    for (const { name } of shown) {
      const wide = 46 + 6.4 * name.length;
      if (wide > left) [lines, left] = [lines + 1, room];
      left -= wide;
    }
    return height + LEGEND_LINE * Math.max(0, lines - 1);
  }

  // what stands below the chart, or in its place while there is none
  notes() {
    const trouble = hub.troubleOf(this.spec);
    const bare = !this.drawn || !this.whole;
    const state = stateOf(this);
    const fetching = bare && !trouble && (SKELETON.has(state) || unseen(this, state));
    this.waits.hidden = !bare;
    this.waits.textContent = bare ? (!this.drawn && trouble) || wordsOf(this) : "";
    this.waits.classList.toggle("fl-skeleton", fetching);
    this.box.setAttribute("aria-busy", fetching);
    this.note.textContent = this.drawn ? [this.missing, trouble].filter(Boolean).join(" · ") : "";
  }

  async draw() {
    this.waiting = null;
    const Plotly = await plotly().catch((error) => void hub.trouble("library", error.message));
    if (!Plotly) return void setTimeout(() => this.box.isConnected && this.stale(true), AGAIN);
    hub.trouble("library", "");
    if (!this.box.clientWidth || !this.box.isConnected) return;
    if (this.node._dragging) return this.stale(); // never under a hand that is zooming
    if (this.drawing) return void (this.again = true); // never into a drawing that is not done
    const began = (this.drawnAt = performance.now());
    const first = !this.drawn;
    this.dirty = false;
    this.width = this.box.clientWidth;
    const { drawn, note, logarithmic } = this.content();
    this.whole = !drawn.every(hollow);
    const layout = this.layout(logarithmic);
    const shown = this.node._fullLayout?.yaxis;
    if (logarithmic) Object.assign(layout.yaxis, logTicks(drawn, shown?.type === "log" && !shown.autorange ? shown.range : null));
    this.drawing = true;
    try {
      await Plotly[first ? "newPlot" : "react"](this.node, drawn, layout, config(this, Plotly));
      if (first) this.bind();
    } finally {
      this.drawing = false;
      if (this.again) this.stale(true);
      this.again = false;
    }
    this.missing = note;
    this.notes();
    this.standing();
    await frame();
    if (first) return; // the first drawing is no measure of what a refresh takes
    await frame(); // the second one comes after the first was painted
    this.cost = performance.now() - began;
  }

  layout(logarithmic) {
    const range = hub.range ?? hub.extent();
    const given = structuredClone(this.spec.figure.layout);
    const layout = themed(this.box, given, this.width);
    layout.height = this.height(this.width);
    layout.uirevision = "keep";
    layout.dragmode = "zoom";
    if (this.spec.log) Object.assign(layout.yaxis, { type: logarithmic ? "log" : "linear", exponentformat: "power", minorloglabels: "none" });
    if (this.spec.redraw) {
      layout.yaxis.automargin = true;
      if (this.spec.log) layout.yaxis.uirevision = `${logarithmic}`; // what was zoomed to on one kind of axis is no range of the other
      return layout; // its axes are its own
    }
    Object.assign(layout.xaxis, {
      title: { text: hub.time ? "seconds since the start" : "step", standoff: 6 },
      unifiedhovertitle: { text: hub.time ? "%{x:.1f} s" : "step %{x}" },
      range: [...range],
      uirevision: String(range), // the hub alone decides what is visible
      showspikes: true,
      spikemode: "across",
      spikesnap: "hovered data",
      spikethickness: 1,
      spikedash: "solid",
      spikecolor: "rgba(128,128,128,0.9)",
    });
    if (this.spec.log) layout.shapes = [...(given.shapes ?? []), ...regions(this.spec.runs, range)];
    const seen = `${logarithmic} ${hub.range} ${hub.resets}`;
    layout.yaxis.uirevision = seen;
    return layout;
  }

  zoom(range) {
    if (range === null) hub.resets += 1;
    hub.zoomTo(range, true);
    this.report("range", range ?? []); // a value: Streamlit does not hear of null where nothing was said before
  }

  bind() {
    this.drawn = true;
    if (this.spec.redraw) return;
    this.node.on("plotly_relayout", (change) => {
      const low = change["xaxis.range[0]"] ?? change["xaxis.range"]?.[0];
      const high = change["xaxis.range[1]"] ?? change["xaxis.range"]?.[1];
      if (low !== undefined) this.zoom([+(+low).toPrecision(7), +(+high).toPrecision(7)]);
      else if (change["xaxis.autorange"]) this.zoom(null);
    });
    this.node.on("plotly_doubleclick", () => this.zoom(null));
    this.node.on("plotly_hover", (event) => event.xvals?.length && hub.hover(event.xvals[0], this));
    this.node.on("plotly_unhover", () => hub.hover(null, this));
  }

  // an upright line at x, or none
  upright(line, x) {
    const { _size: size, xaxis } = this.node._fullLayout;
    line.hidden = x === null || x < xaxis.range[0] || x > xaxis.range[1];
    if (!line.hidden) Object.assign(line.style, { left: `${size.l + xaxis.d2p(x)}px`, top: `${size.t}px`, height: `${size.h}px` });
  }

  // the film of the page stands at another step
  seek() {
    if (this.spec.moment) return this.stale(true);
    this.standing();
    if (!hub.film.playing) this.point(hub.film.x(this.spec.runs[0]));
  }

  standing() {
    if (this.drawn && !this.spec.redraw) this.upright(this.stand, hub.film.x(this.spec.runs[0]));
  }

  // the same step as on the chart under the pointer
  point(x) {
    if (!this.drawn || !this.inView || this.spec.redraw) return;
    const { hovermode, _subplots: panels } = this.node._fullLayout;
    const alone = hovermode === "closest"; // a panel of single marks, where the nearest one may be far from this step
    this.upright(this.cross, alone ? x : null);
    if (x === null) globalThis.Plotly.Fx.unhover(this.node);
    else if (!alone) globalThis.Plotly.Fx.hover(this.node, { xval: x }, panels.cartesian);
  }

  // on paper: what nobody has scrolled to is drawn too, and a panel keeps the width that it was drawn for
  print(on) {
    if (on && !this.drawn && !this.empty()) this.draw();
    this.box.style.minWidth = on ? `${this.box.clientWidth}px` : "";
  }

  end() {
    hub.leave(this);
    clearTimeout(this.waiting);
    this.looks.disconnect();
    this.sizes.disconnect();
    if (this.drawn) globalThis.Plotly.purge(this.node);
    this.box.remove();
  }
}

export default mounts(LiveChart);
