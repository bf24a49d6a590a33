// A strip of pictures: one <img> per run and a slider over the steps.  It stays mounted; the hub tells it of new pictures.

const SMALL = 320; // a picture with fewer pixels across is enlarged by whole factors, up to LARGE
const LARGE = 480;
const PATIENCE = 5000; // milliseconds until a picture that could not be read is asked for again
const make = (kind, props = {}, ...inside) => {
  const node = Object.assign(document.createElement(kind), props);
  node.append(...inside);
  return node;
};

class Pictures {
  constructor(root) {
    this.inView = false; // the hub counts what its charts cost, and this costs nothing
    this.cost = 0;
    this.slider = make("input", { type: "range", min: 0, step: 1 });
    this.said = make("output");
    this.pick = make("label", { className: "fl-pick" }, make("span", { textContent: "Step" }), this.slider, this.said);
    this.row = make("div", { className: "fl-row" });
    this.note = make("p");
    this.box = make("div", { className: "fl-pictures" }, this.pick, this.row, this.note);
    this.slider.addEventListener("input", () => {
      const chosen = +this.slider.value;
      hub.film.seek(chosen === this.steps.length - 1 ? null : this.steps[chosen]);
      this.draw();
    });
    root.append(this.box);
    this.figures = new Map();
    this.failed = new Map(); // source -> when
  }

  metas() {
    return [];
  }

  point() {}

  stale() {
    this.draw();
  }

  seek() {
    this.draw();
  }

  update({ data }) {
    below(data);
    this.spec = data;
    hub.join(this);
    this.draw();
  }

  // step -> what it says: as the hub has it, or as the page was made with
  found({ run, pictures }) {
    const mine = hub.runs.get(run);
    if (!mine?.state.status) return new Map(pictures);
    const told = mine.events.filter((e) => e.kind === "image" && e.rule === this.spec.name);
    return new Map(told.map((e) => [e.step, e.says]).sort((a, b) => a[0] - b[0]));
  }

  draw() {
    const found = this.spec.shown.map((one) => [one, this.found(one)]);
    this.steps = [...new Set(found.flatMap(([, pictures]) => [...pictures.keys()]))].sort((a, b) => a - b);
    const newest = this.steps.length - 1;
    const { step: at } = hub.film; // null follows the newest
    let place = at === null ? newest : this.steps.findLastIndex((step) => step <= at);
    const step = place < 0 ? at : this.steps[place]; // before the first picture there is none
    place = Math.max(0, place);
    this.pick.hidden = newest < 1;
    this.slider.max = Math.max(0, newest);
    this.slider.value = place;
    this.said.textContent = place === newest ? `${step}, the newest` : `${step} of ${this.steps[newest]}`;
    this.slider.setAttribute("aria-label", `Step of ${this.spec.title}`);
    this.slider.setAttribute("aria-valuetext", `step ${step}`);
    const says = new Set();
    for (const [one, pictures] of found) says.add(this.show(one, pictures, step));
    this.about = [...says].filter(Boolean);
    this.notes();
    for (const [run, { figure }] of this.figures) {
      if (this.spec.runs.includes(run)) continue;
      figure.remove();
      this.figures.delete(run);
    }
  }

  notes() {
    this.note.textContent = [...(this.about ?? []), hub.troubleOf(this.spec)].filter(Boolean).join(" ");
  }

  // the newest picture of a run up to `step` -> what it says
  show({ run, label, glyph, colour }, pictures, step) {
    if (!this.figures.has(run)) {
      const mark = make("b"), words = make("span"), image = make("img", { decoding: "async" });
      const figure = make("figure", {}, make("figcaption", {}, mark, words), image);
      this.figures.set(run, { figure, mark, words, image });
      this.row.append(figure);
    }
    const { mark, words, image } = this.figures.get(run);
    const at = [...pictures.keys()].filter((one) => one <= step).at(-1);
    mark.textContent = `${glyph} `;
    mark.style.color = colour;
    words.textContent = at === undefined ? `${label} · no picture yet` : `${label} · step ${at}`;
    image.hidden = at === undefined;
    if (at === undefined) return "";
    const alt = `${this.spec.title}, ${label}, step ${at}. ${pictures.get(at)}`.trim();
    this.load(image, address("image", [["run", run], ["name", this.spec.name], ["step", at]]).href, alt, words);
    return pictures.get(at);
  }

  // the old picture stays until the new one is ready to be painted
  async load(image, source, alt, words) {
    const failed = performance.now() - (this.failed.get(source) ?? -Infinity) < PATIENCE;
    if (failed) words.textContent += " · cannot be read";
    if (failed || image.dataset.wanted === source) return;
    image.dataset.wanted = source;
    const next = new Image();
    next.src = source;
    try {
      await next.decode();
    } catch {
      this.failed.set(source, performance.now());
      if (image.dataset.wanted === source) delete image.dataset.wanted;
      return void this.draw();
    }
    if (image.dataset.wanted !== source) return;
    const { naturalWidth: width } = next;
    image.classList.toggle("fl-cells", width < SMALL);
    image.width = width < SMALL ? width * Math.max(1, Math.floor(LARGE / width)) : width;
    image.alt = alt;
    image.src = source;
  }

  end() {
    hub.leave(this);
    this.box.remove();
  }
}

export default mounts(Pictures);
