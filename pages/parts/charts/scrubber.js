// The scrubber: play, pause, one step on or back, or any step, for everything on the page at once (live_film.js).

const NEWEST = -1; // a value: Streamlit does not hear of null where nothing was said before

const part = (kind, props, ...inside) => {
  const node = Object.assign(document.createElement(kind), props);
  node.append(...inside);
  return node;
};
const button = (words, icon, press) => {
  const node = part("button", { type: "button", title: words, textContent: icon });
  node.setAttribute("aria-label", words);
  node.addEventListener("click", press);
  return node;
};

class Scrubber {
  constructor(root) {
    this.inView = false;
    this.cost = 0;
    this.back = button("One step back", "‹", () => this.to(this.at() - 1));
    this.playing = button("Play", "▶", () => hub.film.play());
    this.next = button("One step on", "›", () => this.to(this.at() + 1));
    this.newest = button("Go to the newest step", "newest", () => this.to(null));
    this.slider = part("input", { type: "range", min: 0, step: 1 });
    this.slider.setAttribute("aria-label", "Step that the whole page shows");
    this.slider.addEventListener("input", () => this.to(+this.slider.value));
    this.said = part("output", {});
    this.box = part("div", { className: "fl-scrubber" }, this.back, this.playing, this.next, this.slider, this.said, this.newest);
    this.box.setAttribute("role", "group");
    this.box.setAttribute("aria-label", "Film of the page");
    root.append(this.box);
    this.width = new ResizeObserver(() => this.place());
    this.width.observe(root);
    this.place();
  }

  // over the foot of the window, as wide as the page's column
  place() {
    const { left, width } = this.box.parentElement.getBoundingClientRect();
    Object.assign(this.box.style, { left: `${left}px`, width: `${width}px` });
  }

  metas() {
    return [];
  }

  point() {}

  notes() {}

  update({ data, setStateValue }) {
    below(data);
    const first = !this.spec;
    this.spec = data;
    this.report = setStateValue;
    hub.join(this);
    if (first) {
      hub.film.pause();
      hub.film.step = data.step;
      this.reported = data.step;
    }
    this.place();
    this.draw();
  }

  at() {
    return hub.film.step ?? hub.film.last();
  }

  to(step) {
    if (hub.film.playing) hub.film.pause();
    hub.film.seek(step === null ? null : Math.max(0, step));
  }

  stale() {
    cancelAnimationFrame(this.drawing);
    this.drawing = requestAnimationFrame(() => this.draw());
  }

  seek() {
    this.draw();
  }

  // the hand rests: the step goes into the address
  rested(step) {
    if (step === this.reported || hub.film.playing) return;
    this.reported = step;
    this.report("step", step ?? NEWEST);
  }

  draw() {
    const last = hub.film.last();
    const { step, playing } = hub.film;
    this.slider.max = last;
    this.slider.value = step ?? last;
    this.slider.disabled = this.playing.disabled = last < 1;
    this.back.disabled = last < 1 || this.at() <= 0;
    this.next.disabled = this.newest.disabled = step === null;
    this.said.textContent = step === null ? `step ${last}, the newest` : `step ${step} of ${last}`;
    this.slider.setAttribute("aria-valuetext", this.said.textContent);
    this.playing.textContent = playing ? "❚❚" : "▶";
    this.playing.title = playing ? "Pause" : "Play";
    this.playing.setAttribute("aria-label", this.playing.title);
  }

  end() {
    hub.film.pause();
    hub.film.step = null;
    hub.leave(this);
    this.width.disconnect();
    this.box.remove();
  }
}

export default mounts(Scrubber);
