// A schematic in the browser: the drawing of each run, moved by the readings of the hub at the step of the page's film.
// What moves says so in its attributes (engine/labs/schematic.py, whose `still` sets the same ones).

const FRAMES = 20; // a second, of the dots that flow

const bare = (value) => String(Math.abs(value) < 1e5 ? +(Math.round(value * 1000) / 1000).toPrecision(6) : +value.toPrecision(6));

const OF = {
  linear: (value) => value,
  sqrt: (value) => Math.sign(value) * Math.sqrt(Math.abs(value)),
  log: (value) => (value > 0 ? Math.log10(value) : -Infinity),
};

function placed(value, scale, ends) {
  const [kind, low, high] = scale.split(":");
  const share = (OF[kind](value) - OF[kind](+low)) / (OF[kind](+high) - OF[kind](+low));
  return ends[0] + Math.min(1, Math.max(0, share)) * (ends[1] - ends[0]);
}

function attributesOf({ drives, speed }, drive, at) {
  if (drive === "hue") return { style: `--hue:${bare(100 * at)}%` };
  if (drive === "flow") return { "stroke-dasharray": `0 ${bare(speed / Math.max(at, 1e-3))}`, visibility: at >= 0.05 ? "visible" : "hidden" };
  return { [drives[drive]]: bare(at) };
}

const WORD = { NaN: NaN, Infinity: Infinity, "-Infinity": -Infinity };
const numeric = (value) => (typeof value === "string" ? WORD[value] : value);
const element = (value, index) => numeric(Array.isArray(value) ? (index === "" ? undefined : value[+index]) : value);

// every driven element of a drawing, read once
function movingParts(svg) {
  return [...svg.querySelectorAll("[data-drive]")].map((node) => {
    const { key, drive, index, range, scale } = node.dataset;
    const [drives, indices, ranges, scales] = [drive, index ?? "", range, scale].map((all) => all.split(" "));
    const moves = drives.map((one, i) => ({ drive: one, index: indices[i] ?? "", ends: ranges[i].split(",").map(Number), scale: scales[i] }));
    return { node, key, moves };
  });
}

class Schematics {
  constructor(root) {
    this.inView = false; // the hub counts what its charts cost, and this costs little
    this.cost = 0;
    this.box = document.createElement("div");
    this.box.className = "fl-schematics";
    root.append(this.box);
    this.panes = new Map();
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    this.sight = new IntersectionObserver((changes) => {
      this.seen = changes.at(-1).isIntersecting;
      this.flow();
    });
    this.sight.observe(this.box);
  }

  metas() {
    return this.spec.metas;
  }

  point() {}

  notes() {}

  update({ data }) {
    below(data);
    this.spec = data;
    const runs = new Set(data.panes.map((pane) => pane.run));
    for (const [run, pane] of this.panes) if (!runs.has(run)) pane.figure.remove(), this.panes.delete(run);
    for (const one of data.panes) this.pane(one);
    hub.join(this);
    this.draw();
  }

  pane({ run, label, colour, svg }) {
    const held = this.panes.get(run) ?? { svg: null, figure: document.createElement("figure"), head: document.createElement("figcaption") };
    if (!this.panes.has(run)) {
      this.panes.set(run, held);
      held.mark = document.createElement("i");
      held.words = document.createElement("span");
      held.head.append(held.mark, held.words);
      held.place = document.createElement("div");
      held.figure.append(held.head, held.place);
      this.box.append(held.figure);
    }
    Object.assign(held, { label, colour });
    held.mark.style.background = colour;
    if (held.svg === svg) return;
    held.svg = svg;
    const drawing = svg ? new DOMParser().parseFromString(svg, "image/svg+xml").documentElement : null;
    held.place.replaceChildren(...(drawing ? [document.importNode(drawing, true)] : []));
    held.place.classList.toggle("fl-skeleton", !drawing);
    held.root = held.place.firstElementChild;
    held.parts = held.root ? movingParts(held.root) : [];
    held.drawn = new Map();
  }

  stale() {
    if (hub.film.step === null) this.draw();
  }

  seek() {
    this.draw();
  }

  draw() {
    cancelAnimationFrame(this.drawing);
    this.drawing = requestAnimationFrame(() => {
      for (const [run, pane] of this.panes) this.move(run, pane);
      this.flow();
    });
  }

  // set what the newest reading at or before the step says; an element without one stays as it was drawn
  move(run, pane) {
    pane.root?.style.setProperty("--run", pane.colour);
    const readings = new Map();
    let newest = -1;
    for (const { node, key, moves } of pane.parts) {
      if (!readings.has(key)) readings.set(key, hub.film.reading(run, key));
      const reading = readings.get(key);
      newest = Math.max(newest, reading?.step ?? -1);
      node.classList.remove("fl-nan");
      for (const { drive, index, ends, scale } of moves) {
        const value = reading ? element(reading.value, index) : undefined;
        if (value === undefined) continue;
        if (Number.isNaN(value)) node.classList.add("fl-nan");
        else for (const [name, text] of Object.entries(attributesOf(this.spec, drive, placed(value, scale, ends)))) node.setAttribute(name, text);
      }
    }
    pane.figure.dataset.step = newest;
    pane.figure.classList.toggle("fl-unread", newest < 0);
    pane.words.textContent = newest < 0 ? pane.label : `${pane.label} · step ${newest}`;
  }

  // dots flow while a run goes on or the film plays, in view, and not for who asked for less motion
  flow() {
    const moves = this.seen && !this.calm.matches && !document.hidden && (this.spec.living.length || hub.film.playing);
    if (!moves) {
      clearInterval(this.flowing);
      this.flowing = null;
    } else {
      this.flowing ??= setInterval(() => this.tick(), 1000 / FRAMES);
    }
  }

  tick() {
    if (document.hidden) return;
    const run = (performance.now() / 1000) * this.spec.speed;
    for (const { root } of this.panes.values()) root?.style.setProperty("--t", bare(run % 1e5));
  }

  end() {
    hub.leave(this);
    clearInterval(this.flowing);
    this.sight.disconnect();
    this.box.remove();
  }
}

export default mounts(Schematics);
