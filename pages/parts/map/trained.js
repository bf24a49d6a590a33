// A map whose cells are trained.  The picture comes as SVG; here it gets hands: what lies under the pointer is said, arrow keys walk from
// cell to cell, and a press tells the page which cell was chosen.  A new picture keeps the cell that had the focus.

class TrainedMap {
  constructor(root) {
    this.stage = Object.assign(document.createElement("div"), { className: "fl-trained", map: this });
    this.says = Object.assign(document.createElement("p"), { className: "fl-says" });
    this.says.setAttribute("role", "status");
    root.append(this.stage, this.says);
    this.stage.addEventListener("pointerover", ({ target }) => target.dataset?.cell !== undefined && this.say(target.dataset.cell));
    this.stage.addEventListener("pointerleave", () => this.say(this.chosen));
    this.stage.addEventListener("click", ({ target }) => this.choose(target.dataset?.cell));
    this.stage.addEventListener("keydown", (event) => this.key(event));
    this.stage.addEventListener("focusin", ({ target }) => this.mark(target.dataset?.cell));
  }

  update({ data, setTriggerValue }) {
    Object.assign(this, { cells: data.cells, tell: setTriggerValue });
    if (data.svg === this.drawn) return;
    const focused = this.stage.contains(this.root?.activeElement ?? document.activeElement) ? document.activeElement?.dataset?.cell : undefined;
    this.drawn = data.svg;
    this.stage.innerHTML = data.svg;
    for (const spot of this.spots()) {
      spot.setAttribute("role", "button");
      spot.setAttribute("aria-label", this.cells[spot.dataset.cell] ?? spot.dataset.cell);
      spot.tabIndex = -1;
    }
    const first = this.spot(this.chosen) ?? this.spots()[0];
    if (first) first.tabIndex = 0;
    if (focused !== undefined) this.spot(focused)?.focus();
    this.mark(this.chosen);
    this.say(this.chosen);
  }

  spots() {
    return [...this.stage.querySelectorAll(".fl-spot")];
  }

  spot(cell) {
    return cell === undefined ? undefined : this.spots().find((one) => one.dataset.cell === cell);
  }

  say(cell) {
    this.says.textContent = this.cells[cell] ?? "";
  }

  mark(cell) {
    this.stage.querySelector(".fl-mark")?.remove();
    const spot = this.spot(cell);
    if (!spot) return;
    const box = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    for (const name of ["x", "y", "width", "height"]) box.setAttribute(name, spot.getAttribute(name));
    box.setAttribute("class", "fl-mark");
    spot.parentNode.append(box);
    this.say(cell);
  }

  choose(cell) {
    if (cell === undefined) return;
    this.chosen = cell;
    for (const spot of this.spots()) spot.tabIndex = spot.dataset.cell === cell ? 0 : -1;
    this.mark(cell);
    this.tell("cell", cell);
  }

  key(event) {
    const at = event.target.dataset?.cell, step = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (at === undefined || !(step || event.key === "Enter" || event.key === " ")) return;
    event.preventDefault();
    event.stopPropagation(); // the page has shortcuts of its own
    if (step) this.next(event.target, step)?.focus();
    else this.choose(at);
  }

  // the nearest cell in a direction: a cell is nearer the less it lies to the side
  next(spot, [right, down]) {
    const middle = (one) => {
      const box = one.getBoundingClientRect();
      return [box.left + box.width / 2, box.top + box.height / 2];
    };
    const [x, y] = middle(spot);
    let nearest, least = Infinity;
    for (const one of this.spots()) {
      const [dx, dy] = middle(one).map((value, n) => value - [x, y][n]);
      const along = dx * right + dy * down, aside = Math.abs(dx * down) + Math.abs(dy * right);
      if (along > 0.5 && along + 2 * aside < least) [nearest, least] = [one, along + 2 * aside];
    }
    return nearest;
  }
}

const mounted = new WeakMap();

export default function (component) {
  const root = component.parentElement;
  if (!mounted.has(root)) mounted.set(root, new TrainedMap(root));
  mounted.get(root).update(component);
  return () => {
    if (!root.isConnected) mounted.delete(root);
  };
}
