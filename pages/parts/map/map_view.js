// What a person sees and hears of the map: the picture with its axes, what lies under the cross, the loss of that training, the legend.

const HELP =
  "Arrow keys move the cross from cell to cell, Enter shows the loss of its training, plus and minus zoom, Control with an arrow moves the view, Home shows the whole map.";
const EDGE = { left: 66, bottom: 42, top: 8, right: 10 }; // of the canvas around the picture, for the axes
const CHOOSE = "Choose a cell to see what its training did.";
const LABELS = {
  lr_in: "learning rate of the hidden layers, lr_in",
  lr_out: "learning rate of the last layer, lr_out",
  init_in: "initial weights of the hidden layers, init_in",
  init_out: "initial weights of the last layer, init_out",
};

const make = (kind, props = {}, ...inside) => {
  const node = Object.assign(document.createElement(kind), props);
  node.append(...inside);
  return node;
};
const spelt = (value, digits = 4) => {
  if (typeof value !== "number") return value === "NaN" ? "no number" : String(value).replace("Infinity", "infinite");
  const large = value && (Math.abs(value) >= 1e5 || Math.abs(value) < 1e-3);
  return (large ? value.toExponential(digits - 1) : String(+value.toPrecision(digits))).replaceAll("-", "−").replace("e+", "e");
};

class MapView {
  constructor(root) {
    this.canvas = make("canvas");
    this.canvas.setAttribute("aria-hidden", "true");
    this.stage = make("div", { className: "fl-stage", tabIndex: 0, map: this }, this.canvas);
    this.stage.setAttribute("role", "application");
    this.stage.setAttribute("aria-label", `The map. ${HELP}`);
    const button = (textContent, onclick) => make("button", { type: "button", textContent, onclick });
    this.closer = button("Zoom in", () => this.zoom(1));
    this.wider = button("Zoom out", () => this.zoom(-1));
    this.home = button("Whole map", () => this.show({ ...WHOLE, x: this.spec.centre_x, y: this.spec.centre_y, decades: this.spec.decades }));
    this.halt = button("Stop", () => (this.busy ? this.stop() : this.refine(this.finest)));
    this.pick = make("select", { onchange: () => this.refine(+this.pick.value) });
    this.bar = make("div", { className: "fl-bar" }, this.closer, this.wider, this.home, this.halt, make("label", {}, "Cells on a side ", this.pick));
    [this.trouble, this.status] = ["alert", "status"].map((role) => make("p", { role, className: `fl-${role}` }));
    this.legend = make("div", { className: "fl-legend" });
    for (const ramp of RAMPS) {
      const strip = make("i", { className: "fl-ramp" });
      strip.style.background = rampOf(ramp);
      this.legend.append(make("span", {}, make("b", { textContent: ramp.words }), make("span", { className: "fl-scale" }, ramp.near, strip, ramp.to)));
    }
    this.line = new TheoryLine(this);
    this.cell = make("div", { className: "fl-cell" }, make("p", { textContent: CHOOSE }));
    this.curve = make("canvas", { className: "fl-curve" });
    this.curve.setAttribute("role", "img");
    const beside = make("div", { className: "fl-beside" }, this.cell, this.curve, this.legend);
    this.box = make("div", { className: "fl-map" }, make("div", { className: "fl-main" }, this.stage, this.bar, this.trouble, this.status), beside);
    root.append(this.box);
    this.sizes = new ResizeObserver(() => this.draw());
    this.sizes.observe(this.stage);
    this.sizes.observe(this.curve);
  }

  get inner() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    return { left: EDGE.left, top: EDGE.top, width: width - EDGE.left - EDGE.right, height: height - EDGE.top - EDGE.bottom };
  }

  // where a point of the map lies on the stage, and back: x and y are logarithms
  at(x, y) {
    const { left, top, width, height } = this.inner, { decades } = this.view;
    const [share, up] = [(x - this.middle.x) / decades + 0.5, (y - this.middle.y) / decades + 0.5];
    return [left + share * width, top + (1 - up) * height];
  }

  from(left, top) {
    const box = this.inner, { decades } = this.view;
    const [share, up] = [(left - box.left) / box.width, 1 - (top - box.top) / box.height];
    return { share, up, x: this.middle.x + (share - 0.5) * decades, y: this.middle.y + (up - 0.5) * decades };
  }

  draw() {
    if (this.ended || !this.view) return;
    const css = getComputedStyle(this.box), scale = devicePixelRatio || 1, { clientWidth, clientHeight } = this.stage;
    const [ink, paper] = ["--st-text-color", "--st-background-color"].map((name) => css.getPropertyValue(name).trim());
    Object.assign(this.canvas, { width: Math.round(clientWidth * scale), height: Math.round(clientHeight * scale) });
    const pen = this.canvas.getContext("2d"), { left, top, width, height } = this.inner;
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.imageSmoothingEnabled = false; // a cell is one training, and nothing lies between two
    pen.save();
    pen.beginPath();
    pen.rect(left, top, width, height);
    pen.clip();
    for (const tile of this.tilesInView()) {
      const [x0, y1] = this.at(tile.box.x0, tile.box.y1), [x1, y0] = this.at(tile.box.x1, tile.box.y0);
      pen.globalAlpha = tile.of === this.viewKey ? 1 : 0.45; // of a view before: coarser than what comes
      pen.drawImage(tile.picture, x0, y1, x1 - x0, y0 - y1);
    }
    pen.globalAlpha = 1;
    this.line.draw(pen);
    pen.restore();
    this.drawAxes(pen, ink, css.fontFamily);
    if (this.picked) this.drawCross(pen, paper);
    this.drawCurve(ink, css.fontFamily);
    this.closer.disabled = this.view.decades / 10 < CLOSEST;
    this.wider.disabled = this.view.decades >= this.spec.decades;
    this.halt.hidden = !this.busy && !this.stopped;
    this.halt.textContent = this.busy ? "Stop" : "Go on";
  }

  drawAxes(pen, ink, family) {
    const { left, top, width, height } = this.inner, { decades } = this.view;
    const digits = Math.max(3, Math.ceil(-Math.log10(decades)) + 3);
    Object.assign(pen, { strokeStyle: ink, fillStyle: ink, lineWidth: 1, font: `12px ${family}`, textBaseline: "middle" });
    pen.strokeRect(left - 0.5, top - 0.5, width + 1, height + 1);
    const whole = Math.abs(decades) >= 2;
    const ticks = (middle) => {
      if (!whole) return [-0.5, 0, 0.5].map((share) => ({ at: middle + share * decades, text: spelt(10 ** (middle + share * decades), digits) }));
      const first = Math.ceil(middle - decades / 2), last = Math.floor(middle + decades / 2);
      return Array.from({ length: last - first + 1 }, (_, i) => ({ at: first + i, text: spelt(10 ** (first + i), 1) }));
    };
    for (const { at, text } of ticks(this.middle.x)) {
      const [x] = this.at(at, this.middle.y), end = x < left + 30 ? "left" : x > left + width - 30 ? "right" : "center";
      pen.textAlign = end;
      pen.fillText(text, x, top + height + 12);
      pen.fillRect(x, top + height, 1, 5);
    }
    for (const { at, text } of ticks(this.middle.y)) {
      const [, y] = this.at(this.middle.x, at);
      pen.textAlign = "right";
      pen.fillRect(left - 5, y, 5, 1);
      if (digits <= 6) pen.fillText(text, left - 8, Math.min(top + height - 6, Math.max(top + 6, y)));
    }
    pen.textAlign = "center";
    pen.fillText(LABELS[this.spec.x], left + width / 2, top + height + 31, width);
    pen.save();
    pen.translate(12, top + height / 2);
    pen.rotate(-Math.PI / 2);
    pen.fillText(LABELS[this.spec.y], 0, 0, height);
    if (digits > 6) pen.fillText(`around ${spelt(10 ** this.middle.y, digits)}`, 0, 22, height);
    pen.restore();
  }

  drawCross(pen, paper) {
    const [x, y] = this.at(Math.log10(this.picked.x), Math.log10(this.picked.y)), { left, top, width, height } = this.inner;
    if (x < left || x > left + width || y < top || y > top + height) return;
    for (const [colour, wide] of [["#000", 5], [paper === "#000" ? "#fff" : "#fff", 2]]) {
      Object.assign(pen, { strokeStyle: colour, lineWidth: wide });
      pen.beginPath();
      pen.arc(x, y, 9, 0, 7);
      for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        pen.moveTo(x + 9 * dx, y + 9 * dy);
        pen.lineTo(x + 17 * dx, y + 17 * dy);
      }
      pen.stroke();
    }
  }

  // the loss of the training under the cross, on a logarithmic axis; steps without a number are marked at the top
  drawCurve(ink, family) {
    this.curve.hidden = !this.picked;
    const { clientWidth: width, clientHeight: height } = this.curve, scale = devicePixelRatio || 1, { losses } = this;
    Object.assign(this.curve, { width: Math.round(width * scale), height: Math.round(height * scale) });
    this.curve.setAttribute("aria-label", losses ? `Loss by step, from ${spelt(losses[0])} to ${spelt(losses.at(-1))}` : "No training is chosen");
    if (!losses) return;
    const pen = this.curve.getContext("2d"), good = losses.filter((one) => typeof one === "number" && one > 0).map(Math.log10);
    const [low, high] = [Math.min(...good), Math.max(...good)], span = high - low || 1;
    const at = (step, value) => [58 + ((width - 68) * step) / Math.max(1, losses.length - 1), 16 + (height - 50) * (1 - (value - low) / span)];
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    Object.assign(pen, { strokeStyle: ink, fillStyle: ink, lineWidth: 1, font: `12px ${family}`, textBaseline: "middle", textAlign: "right" });
    pen.strokeRect(57.5, 15.5, width - 67, height - 49);
    for (const value of new Set([low, high])) pen.fillText(spelt(10 ** value, 2), 52, at(0, value)[1]);
    pen.textAlign = "center";
    for (const step of new Set([0, losses.length - 1])) pen.fillText(String(step), at(step, low)[0], height - 24);
    pen.fillText("loss by step", width / 2 + 24, height - 9);
    Object.assign(pen, { strokeStyle: RAMPS[this.ramp].at[1].length ? `rgb(${RAMPS[this.ramp].at[1].join(",")})` : ink, lineWidth: 2 });
    pen.beginPath();
    let joined = false;
    losses.forEach((loss, step) => {
      const number = typeof loss === "number" && loss > 0;
      if (number) pen[joined ? "lineTo" : "moveTo"](...at(step, Math.log10(loss)));
      joined = number;
    });
    pen.stroke();
    const first = losses.findIndex((loss) => typeof loss !== "number");
    if (first >= 0) pen.fillText(`× no number from step ${first}`, Math.min(width - 90, Math.max(140, at(first, low)[0])), 7);
  }

  end() {
    this.ended = true;
    this.sizes.disconnect();
    this.box.remove();
  }
}
