// What a person sees and hears of the graph: three numbers before and after, the drawing, its legend, and all edges as a list.

const MOST_LISTED = 300; // edges in the list: the worst bottlenecks
const NUMBERS = { resistance: ["Total resistance", " ohm"], gap: ["Spectral gap", ""], walk: ["Walk weight", ""] };
const HELP =
  "Tab goes from node to node, Enter marks one, Enter on a second one joins the two or marks their edge, Delete removes what is marked, Control Z takes back, Escape leaves.";

const make = (kind, props = {}, ...inside) => {
  const node = Object.assign(document.createElement(kind), props);
  node.append(...inside);
  return node;
};
const spelt = (value, digits = 4) => {
  if (typeof value !== "number") return value === "Infinity" ? "infinite" : String(value ?? "unknown");
  const small = value && Math.abs(value) < 1e-3;
  const text = small ? value.toExponential(digits - 2) : (+value.toPrecision(digits)).toLocaleString("en", { maximumSignificantDigits: digits });
  return text.replaceAll("-", "−");
};

class GraphView {
  constructor(root) {
    this.kind = new URLSearchParams(location.search).get("colour") === "resistance" ? "resistance" : "curvature";
    this.cards = Object.fromEntries(Object.keys(NUMBERS).map((name) => [name, [make("dt"), make("dd"), make("dd", { className: "fl-aside" })]]));
    this.numbers = make("dl", { className: "fl-numbers" }, ...Object.values(this.cards).map((parts) => make("div", {}, ...parts)));
    this.canvas = make("canvas");
    this.canvas.setAttribute("aria-hidden", "true");
    this.stage = make("div", { className: "fl-stage", tabIndex: 0, graph: this }, this.canvas); // a canvas tells nobody what it shows
    this.stage.setAttribute("role", "application");
    this.stage.setAttribute("aria-label", `The graph. ${HELP}`);
    [this.remove, this.back, this.clear] = ["Remove", "Undo", "As it was"].map((textContent) => make("button", { type: "button", textContent }));
    this.pick = make("select", { onchange: () => this.recolour(this.pick.value) });
    this.pick.append(...Object.keys(KINDS).map((kind) => make("option", { value: kind, textContent: kind, selected: kind === this.kind })));
    const bar = make("div", { className: "fl-bar" }, this.remove, this.back, this.clear, make("label", {}, "Edges show ", this.pick));
    [this.trouble, this.status] = ["alert", "status"].map((role) => make("p", { role, className: `fl-${role}` }));
    this.legend = make("div", { className: "fl-legend" });
    [this.summary, this.list] = [make("summary"), make("ul", { tabIndex: 0 })]; // it scrolls, by keyboard too
    this.details = make("details", { ontoggle: () => this.writeList() }, this.summary, this.list);
    this.box = make("div", { className: "fl-graph" }, this.numbers, this.trouble, this.stage, bar, this.status, this.legend, this.details);
    root.append(this.box);
    this.sizes = new ResizeObserver(() => this.draw());
    this.sizes.observe(this.stage);
  }

  say(sentence) {
    this.status.textContent = sentence;
    this.draw();
  }

  // the lab has answered: in words what the numbers and the marked edge are now
  answered(before) {
    const { marked } = this.now, edge = this.now.edges.find((one) => one.pair === this.marked?.pair);
    if (edge) {
      const more = marked ? `, Ollivier ${spelt(marked.ollivier)}` : "";
      return this.say(`Edge ${edge.pair}: balanced Forman curvature ${spelt(edge.curvature)}${more}, resistance ${spelt(edge.resistance)} ohm.`);
    }
    const back = undone(this.now);
    const also = back.length ? ` The rewiring undoes ${back.length === 1 ? "one edit" : `${back.length} edits`}: ${back.join(" ")}.` : "";
    if (before && before.of !== this.now.of) {
      const changes = Object.entries(NUMBERS).map(([name, [title, unit]]) => `${title.toLowerCase()} ${spelt(this.now.facts[name])}${unit}`);
      const done = this.status.textContent.split(/The rewiring undoes|Now /)[0].trim();
      return this.say(`${done}${also} Now ${changes.join(", ")}.`.trim());
    }
    if (!before && also) this.say(also.trim());
  }

  draw() {
    if (this.ended || !this.spec) return;
    this.remove.disabled = !this.marked;
    this.back.disabled = !this.past.length;
    this.clear.disabled = !this.words.length;
    this.writeNumbers();
    this.canvas.width = 0; // whatever was drawn there is of another graph or another moment
    this.details.hidden = !this.now;
    if (!this.now) return void (this.picture = undefined);
    this.picture = edited(this.now, this.words, this.base.nodes);
    const css = getComputedStyle(this.box), { clientWidth: width, clientHeight: height } = this.stage, scale = devicePixelRatio || 1;
    const [ink, paper] = ["--st-text-color", "--st-background-color"].map((name) => css.getPropertyValue(name).trim());
    Object.assign(this.canvas, { width: Math.round(width * scale), height: Math.round(height * scale) });
    Object.assign(this, placed(this.base.nodes, this.picture.nodes, this.moved, width, height));
    const { kind, marked, focus, at } = this, { theme } = this.spec, { reads, knows } = this.base.facts;
    drawGraph(this.canvas, { ...this.picture, at, kind, theme, ink, paper, marked, focus, reads, knows });
    this.writeLegend(ink);
    this.writeList();
  }

  writeNumbers() {
    const { base, now, stale } = this;
    this.numbers.classList.toggle("fl-old", stale);
    this.numbers.setAttribute("aria-busy", stale);
    for (const [name, [title, unit]] of Object.entries(NUMBERS)) {
      const [head, value, aside] = this.cards[name];
      head.textContent = title + (stale && now ? ` · old, ${this.busy ? "being" : "not"} computed` : "");
      const values = [base, now].map((one) => one?.facts[name]), [one, other] = values;
      const close = spelt(one) === spelt(other) && Math.abs(one - other) > 1e-9 * Math.abs(one); // a small change is a change
      const [before, after] = values.map((value) => spelt(value, close ? 7 : 4));
      value.replaceChildren(...(!now ? ["…"] : before === after ? [make("b", { textContent: after }), unit] : [`${before} → `, make("b", { textContent: after }), unit]));
      aside.textContent = now ? this.asideOf(name, now.facts) : "";
    }
  }

  asideOf(name, { layers, reads, knows, nodes, edges, added, ...facts }) {
    if (name === "gap") return `${nodes} nodes, ${edges} edges, ${added || "none"} of them added`;
    if (name === "walk") return `weight of all ${layers}-step walks from ${knows} to ${reads} in GCN's operator`;
    if (!added) return "sum over all pairs of nodes";
    if (!facts.random_draws) return `no random edges beside these: ${facts.random_none}`;
    const { random_low: low, random_high: high, random_below: under, random_draws: draws } = facts;
    return `as many random edges: ${spelt(low)} to ${spelt(high)}; ${under} of ${draws} draws below`;
  }

  writeLegend(ink) {
    const { theme } = this.spec, { ends } = KINDS[this.kind], { reads, knows } = this.base.facts;
    const line = (style) => `<svg width="34" height="12" aria-hidden="true"><path d="M1 6H33" ${style}/></svg>`;
    const tones = [1, 0, -1].map((tone, i) => [`stroke="${styleOf(tone, theme).colour}" stroke-width="${styleOf(tone, theme).width}"`, ends[i]]);
    const dashed = [`stroke="${ink}" stroke-width="2" stroke-dasharray="${DASH}"`, "dashed: added"];
    const parts = [...tones, dashed].map(([style, words]) => `<span>${line(style)} ${words}</span>`);
    const html = `${parts.join("")}<span>■ node ${+reads} is read</span><span>◆ node ${+knows} knows the class</span>`;
    if (html !== this.html) this.legend.innerHTML = this.html = html;
  }

  // only while it is open: it may be long
  writeList() {
    const { edges = [] } = this.picture ?? {}, tone = (edge) => (edge.curvature === undefined ? 9 : KINDS[this.kind].tone(edge));
    this.summary.textContent = `Edges as a list (${edges.length.toLocaleString("en")})`;
    if (!this.details.open) return;
    const worst = [...edges].sort((one, other) => tone(other) - tone(one)).slice(0, MOST_LISTED);
    const words = worst.map(({ pair, curvature, resistance, added, byHand }) => {
      const known = curvature === undefined ? "being computed" : `curvature ${spelt(curvature)}, resistance ${spelt(resistance)} ohm`;
      return `${pair}: ${known}${added ? ", added by the rewiring" : byHand ? ", added by hand" : ""}`;
    });
    if (edges.length > MOST_LISTED) words.push(`and ${(edges.length - MOST_LISTED).toLocaleString("en")} that are less of a bottleneck`);
    this.list.replaceChildren(...words.map((textContent) => make("li", { textContent })));
  }

  end() {
    this.ended = true;
    this.sizes.disconnect();
    this.box.remove();
  }
}
