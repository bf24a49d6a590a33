// A map that can be entered.  Tiles are asked for at /panel, coarse ones first, without a run of the page; every zoom is an entry of the
// browser's history, with the view in the address.  What is drawn of an earlier view is pale until the tiles of this one are there.

const WHOLE = { x: 300, y: 100, decades: 5 };
const LEVELS = [16, 32, 64, 128, 256]; // cells on a side of the view
const AT_ONCE = 2; // questions that are under way
const MOST = 400; // tiles that are kept
const TRIES = 3; // how often a tile is asked for that the lab does not answer
const CLOSEST = 2e-13; // decades of a view whose neighbouring rates are 8 roundings of a float64 apart, at the most cells
const WIDEST = 8;

class TrainabilityMap extends MapView {
  constructor(root) {
    super(root);
    Object.assign(this, { tiles: [], known: new Map(), finest: 64, asked: 0, busy: false });
    this.pick.append(...LEVELS.slice(1).map((cells) => make("option", { value: cells, textContent: cells, selected: cells === this.finest })));
    hands(this);
    this.letAddressGo = keepAddress();
    this.back = () => this.look(this.viewOfAddress());
    addEventListener("popstate", this.back);
  }

  end() {
    super.end();
    removeEventListener("popstate", this.back);
    this.letAddressGo();
  }

  update({ data, setStateValue }) {
    below(data);
    const before = this.setting;
    Object.assign(this, { spec: data, tellPage: setStateValue, setting: JSON.stringify([data.x, data.y, data.knobs]) });
    if (this.setting !== before) {
      if (before !== undefined) this.choose(undefined);
      this.look(this.view ?? this.viewOfAddress(), true);
    }
    this.draw();
  }

  // -- the view and its address --------------------------------------------------------------------

  viewOfAddress() {
    const query = new URLSearchParams(location.search), { centre_x, centre_y, decades } = this.spec ?? {};
    const read = (name, usual) => (Number(query.get(name)) > 0 && Number.isFinite(Number(query.get(name))) ? Number(query.get(name)) : usual);
    return { x: read("centre_x", centre_x), y: read("centre_y", centre_y), decades: Math.min(WIDEST, read("decades", decades)) };
  }

  // go there, as a step that Back undoes
  show(view) {
    this.look(view);
    this.write("pushState");
  }

  write(how) {
    const { x, y, decades } = this.view;
    const query = new URLSearchParams([...this.spec.address, ["centre_x", x], ["centre_y", y], ["decades", decades]]);
    History.prototype[how].call(history, history.state, "", `${location.pathname}?${query}${location.hash}`);
  }

  look(view, replace = false) {
    if (!this.spec) return;
    const { x, y, decades } = view;
    Object.assign(this, { view, middle: { x: Math.log10(x), y: Math.log10(y) }, viewKey: JSON.stringify([this.setting, x, y, decades]), stopped: false });
    if (replace) this.write("replaceState");
    this.trouble.textContent = "";
    this.draw();
    this.fill();
  }

  zoom(way, there) {
    if (way > 0 ? this.closer.disabled : this.wider.disabled) return this.say(way > 0 ? "This is as close as float64 goes: neighbouring rates would be less than 8 roundings apart." : "This is as wide as the map goes.");
    const point = there ?? (this.picked ? { x: Math.log10(this.picked.x), y: Math.log10(this.picked.y) } : this.middle);
    const factor = way > 0 ? 0.1 : Math.min(10, this.spec.decades / this.view.decades);
    const centre = (axis) => 10 ** (way > 0 && !there ? point[axis] : point[axis] + (this.middle[axis] - point[axis]) * factor);
    this.show({ x: centre("x"), y: centre("y"), decades: +(this.view.decades * factor).toPrecision(12) });
  }

  slide(right, up) {
    const by = this.view.decades / 4;
    this.show({ ...this.view, x: 10 ** (this.middle.x + right * by), y: 10 ** (this.middle.y + up * by) });
  }

  refine(cells) {
    Object.assign(this, { finest: cells, stopped: false });
    this.trouble.textContent = "";
    this.fill();
  }

  // -- tiles ---------------------------------------------------------------------------------------

  tilesInView() {
    const half = this.view.decades / 2, { x, y } = this.middle;
    const near = ({ box }) => box.x1 > x - half && box.x0 < x + half && box.y1 > y - half && box.y0 < y + half;
    const old = ({ of }) => of !== this.viewKey;
    return this.tiles.filter((tile) => tile.setting === this.setting && near(tile)).sort((a, b) => old(b) - old(a) || b.size - a.size);
  }

  // the questions of this view that have no answer yet, coarse ones first
  missing() {
    const out = [];
    for (const cells of LEVELS.filter((one) => one <= this.finest)) {
      const tile = Math.min(this.spec.tile, cells), count = cells / tile, middle = (count - 1) / 2;
      const level = [];
      for (let row = 0; row < count; row++) for (let column = 0; column < count; column++) level.push({ cells, tile, column, row });
      level.sort((a, b) => Math.hypot(a.column - middle, a.row - middle) - Math.hypot(b.column - middle, b.row - middle));
      out.push(...level.filter((one) => !this.known.has(this.viewKey + JSON.stringify(one))));
    }
    return out;
  }

  async fill() {
    if (this.ended || this.stopped) return;
    const key = this.viewKey, waiting = this.missing();
    this.told = { total: waiting.length, done: 0 };
    if (!waiting.length) return this.settle();
    this.busy = true;
    const order = (this.order = {}); // a later call of this function takes over
    const goes = () => !this.ended && !this.stopped && this.order === order && this.viewKey === key;
    const work = async () => {
      while (goes() && waiting.length) await this.fetchTile(key, waiting.shift(), goes);
    };
    const first = waiting.shift();
    this.progress(first);
    await this.fetchTile(key, first, goes); // alone, so that the whole view is there soonest
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    if (goes()) this.settle();
  }

  async fetchTile(key, part, goes, counts = true) {
    const { x, y, decades } = this.view, { panel, knobs } = this.spec;
    const axes = { x: this.spec.x, y: this.spec.y, centre_x: x, centre_y: y, decades_x: decades, decades_y: decades };
    const setting = this.setting;
    let tries = 0;
    while (goes()) {
      try {
        const frames = await this.answer(panel, { ...knobs, ...axes, ...part });
        this.keep(key, setting, part, frames);
        if (goes()) {
          this.trouble.textContent = "";
          if (counts) this.count(part);
        }
        return;
      } catch (error) {
        if (!goes()) return;
        this.trouble.textContent = error.message;
        tries += 1;
        if (error.refused && !this.told.done) return this.stop(); // of later tiles not the view is to blame, but a machine that is busy
        if (error.refused && tries === TRIES) return this.split(key, part, goes, counts);
        await new Promise((done) => setTimeout(done, AGAIN));
      }
    }
  }

  // a tile that was too much for the moment, as four smaller ones
  async split(key, { cells, tile, column, row }, goes, counts) {
    if (tile === 1) return this.stop();
    for (const [right, up] of [[0, 0], [1, 0], [0, 1], [1, 1]]) {
      await this.fetchTile(key, { cells, tile: tile / 2, column: 2 * column + right, row: 2 * row + up }, goes, false);
    }
    if (!goes()) return;
    this.known.set(key + JSON.stringify({ cells, tile, column, row }), true);
    if (counts) this.count({ cells });
  }

  async answer(panel, knobs) {
    const body = JSON.stringify({ panel, knobs });
    const { frames, says } = await askJson(address("panel", []), { method: "POST", body, headers: { "content-type": "application/json" } });
    if (!frames) throw Object.assign(new Error(says), { refused: true });
    return frames;
  }

  keep(key, setting, part, { x, y, cells }) {
    const { cells: side, tile, column, row } = part, [, cx, cy, decades] = JSON.parse(key), size = decades / side;
    const box = { x0: Math.log10(cx) - decades / 2 + column * tile * size, y0: Math.log10(cy) - decades / 2 + row * tile * size };
    Object.assign(box, { x1: box.x0 + tile * size, y1: box.y0 + tile * size });
    const one = { of: key, setting, size, box, side, part, x: x.rate, y: y.rate, value: cells.value, final: cells.final };
    this.known.set(key + JSON.stringify(part), one);
    this.tiles.push(Object.assign(one, { picture: pictured(one) }));
    if (this.tiles.length > MOST) {
      const gone = this.tiles.shift();
      this.known.delete(gone.of + JSON.stringify(gone.part));
    }
    this.draw();
  }

  count(part) {
    this.told.done++;
    this.progress(part);
  }

  progress({ cells }) {
    this.say(`Computing ${cells} × ${cells} trainings of this view: ${this.told.done} of ${this.told.total} tiles.`);
  }

  stop() {
    Object.assign(this, { stopped: true, busy: false });
    this.say(`Stopped after ${this.told.done} of ${this.told.total} tiles; what is pale is of an earlier view.`);
  }

  settle() {
    this.busy = false;
    const mine = this.tiles.filter((tile) => tile.of === this.viewKey), side = Math.max(...mine.map((tile) => tile.side)), shown = mine.filter((tile) => tile.side === side);
    const values = shown.flatMap((tile) => tile.value), share = values.filter((value) => value > 1).length / values.length;
    this.say(`${side} × ${side} trainings, ${spelt(this.view.decades)} ${this.view.decades === 1 ? "decade" : "decades"} wide: ${spelt(100 * share, 3)} % diverged.`);
  }

  say(sentence) {
    this.status.textContent = sentence;
    this.draw();
  }

  // -- one cell ------------------------------------------------------------------------------------

  // the finest cell of this view at a point, as logarithms; nothing where none has been computed
  cellAt({ x, y }) {
    const finest = this.tiles.filter(({ of, box }) => of === this.viewKey && x >= box.x0 && x <= box.x1 && y >= box.y0 && y <= box.y1);
    const tile = finest.sort((a, b) => a.size - b.size)[0];
    if (!tile) return undefined;
    const index = (from, at, many) => Math.min(many - 1, Math.max(0, Math.floor((at - from) / tile.size)));
    const column = index(tile.box.x0, x, tile.x.length), row = index(tile.box.y0, y, tile.y.length), n = row * tile.x.length + column;
    return { x: tile.x[column], y: tile.y[row], value: tile.value[n], final: tile.final[n], size: tile.size };
  }

  async choose(there) {
    const cell = there && this.cellAt(there), chosen = (this.choosing = {});
    Object.assign(this, { picked: cell, losses: undefined });
    if (!cell) {
      this.tellPage?.("cell", "");
      this.cell.replaceChildren(make("p", { textContent: there ? "Nothing is computed there yet." : CHOOSE }));
      return this.draw();
    }
    const { x, y } = this.spec, knobs = { ...this.spec.knobs, [x]: cell.x, [y]: cell.y };
    this.tellPage("cell", JSON.stringify(Object.fromEntries(Object.entries(knobs).map(([name, value]) => [name, String(value)]))));
    this.ramp = toneOf(cell.value, cell.final)[0];
    const rows = [[x, String(cell.x)], [y, String(cell.y)], ["mean loss, in units of the first", spelt(cell.value, 6)], ["last loss", spelt(cell.final)], ["verdict", cell.value > 1 ? "diverged" : "trained"]];
    this.cell.replaceChildren(make("dl", {}, ...rows.map(([head, value]) => make("div", {}, make("dt", { textContent: head }), make("dd", { textContent: value })))));
    this.cell.dataset.value = String(cell.value);
    this.draw();
    try {
      const { curve } = await this.answer(this.spec.curve, knobs);
      if (this.choosing === chosen) this.losses = curve.loss;
    } catch (error) {
      if (this.choosing === chosen) this.trouble.textContent = error.message;
    }
    this.draw();
  }

  chooseAgain() {
    const { x, y } = this.picked ? { x: Math.log10(this.picked.x), y: Math.log10(this.picked.y) } : this.middle;
    this.choose({ x, y });
  }

  // the cross goes to the next cell; what it stands on is said
  step(right, up) {
    const size = this.picked?.size ?? this.view.decades / this.finest, half = this.view.decades / 2;
    const at = this.picked ? { x: Math.log10(this.picked.x), y: Math.log10(this.picked.y) } : this.middle, within = (axis, value) => Math.min(this.middle[axis] + half, Math.max(this.middle[axis] - half, value));
    this.choose({ x: within("x", at.x + right * size), y: within("y", at.y + up * size) });
    if (this.picked) this.say(`${this.spec.x} ${spelt(this.picked.x)}, ${this.spec.y} ${spelt(this.picked.y)}: ${this.picked.value > 1 ? "diverged" : "trained"}.`);
  }
}

export default mounts(TrainabilityMap);
