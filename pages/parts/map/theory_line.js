// The theory line over the map: asked for once for each view, drawn dashed over what trainings really did, and left away where it fails.

const LINE_WORDS = "dashed: where the network linearised at its first weights stops training";

class TheoryLine {
  constructor(map) {
    Object.assign(this, { map, known: new Map() });
    const mark = make("i", { className: "fl-dash" });
    map.legend.append(make("span", {}, make("b", { textContent: LINE_WORDS }), mark));
  }

  // segments of the present view as logarithms; asks for them where nobody has, once the first tile is there, which goes before
  segments() {
    const { viewKey: key, tiles } = this.map;
    if (!this.known.has(key) && tiles.some((tile) => tile.of === key)) this.ask(key);
    return this.known.get(key) ?? [];
  }

  async ask(key) {
    const { spec, view } = this.map;
    this.known.set(key, []);
    try {
      const axes = { x: spec.x, y: spec.y, centre_x: view.x, centre_y: view.y, decades_x: view.decades, decades_y: view.decades };
      const { steps, warmup, ...knobs } = spec.knobs; // the line is that of full rates
      const { edge } = await this.map.answer(spec.edge, { ...knobs, ...axes });
      this.known.set(key, edge.x0.map((x0, n) => [x0, edge.y0[n], edge.x1[n], edge.y1[n]]));
      if (this.map.viewKey === key) this.map.draw();
    } catch {
      this.known.delete(key); // the map stands without it; the next drawing of this view asks again
      await new Promise((done) => setTimeout(done, AGAIN));
    }
  }

  draw(pen) {
    const segments = this.segments();
    this.map.stage.dataset.edge = segments.length;
    for (const [colour, wide] of [["#fff", 4], ["#000", 2]]) {
      Object.assign(pen, { strokeStyle: colour, lineWidth: wide, lineCap: "butt" });
      pen.setLineDash(colour === "#000" ? [7, 5] : []);
      pen.beginPath();
      let end = "";
      for (const [x0, y0, x1, y1] of joined(segments, this.map.view.decades)) {
        if (`${x0} ${y0}` !== end) pen.moveTo(...this.map.at(x0, y0));
        pen.lineTo(...this.map.at(x1, y1));
        end = `${x1} ${y1}`;
      }
      pen.stroke();
    }
    pen.setLineDash([]);
  }
}

// segments put one after another wherever ends meet, so that dashes run on
function joined(segments, decades) {
  const near = (a, b, c, d) => Math.hypot(a - c, b - d) < 1e-6 * decades;
  const left = [...segments], out = [];
  while (left.length) {
    let [x0, y0, x1, y1] = left.shift();
    const chain = [[x0, y0, x1, y1]];
    for (let at = 0; at < left.length; at += 1) {
      const [a, b, c, d] = left[at];
      if (near(a, b, x1, y1)) chain.push([x1, y1, c, d]);
      else if (near(c, d, x1, y1)) chain.push([x1, y1, a, b]);
      else if (near(a, b, x0, y0)) chain.unshift([c, d, x0, y0]);
      else if (near(c, d, x0, y0)) chain.unshift([a, b, x0, y0]);
      else continue;
      [[x0, y0]] = chain;
      [, , x1, y1] = chain.at(-1);
      left.splice(at, 1);
      at = -1;
    }
    out.push(...chain);
  }
  return out;
}
