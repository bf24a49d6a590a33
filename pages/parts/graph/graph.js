// A graph that can be touched.  An edit is drawn at once and asked about at /panel, without a run of the page; until the answer is
// there the numbers are marked as old.  What the lab refuses is taken back and said in one sentence; an edit that a busy machine could
// not answer stays, and is asked about again, a few times.

const MOST_TRIES = 3; // of a question that the machine could not answer: each may cost it ten seconds

class TouchGraph extends GraphView {
  constructor(root) {
    super(root);
    Object.assign(this, { words: [], past: [], moved: new Map() }); // edits, earlier edits, where a person has put a node
    this.remove.onclick = () => this.removeMarked();
    this.back.onclick = () => this.undo();
    this.clear.onclick = () => this.edit([], "All edits are taken back.");
    hands(this);
    this.letAddressGo = keepAddress();
  }

  end() {
    super.end();
    this.letAddressGo();
  }

  update({ data, setStateValue }) {
    below(data);
    Object.assign(this, { spec: data, tellPage: setStateValue });
    const graph = JSON.stringify(data.graph), chosen = JSON.stringify([data.graph, data.rewiring]);
    if (chosen !== this.chosen) this.status.textContent = ""; // what it said was of another graph
    this.chosen = chosen;
    if (graph !== this.graph) {
      const words = this.graph === undefined ? data.edits.split(/\s+/).filter(Boolean) : [];
      Object.assign(this, { graph, words, past: [], refusal: "" });
      for (const name of ["good", "base", "now", "marked", "focus"]) this[name] = undefined;
      this.moved.clear();
    }
    this.changed();
  }

  // -- asking -------------------------------------------------------------------------------------

  changed() {
    if (this.ended) return;
    const edits = this.words.join(" ");
    if (edits !== this.known) this.tellPage("edits", (this.known = edits)); // it waits in the form until that is sent
    const beside = [["edits", edits], ["colour", this.kind === "curvature" ? "" : this.kind]].filter(([, value]) => value);
    const query = new URLSearchParams([...this.spec.address, ...beside]);
    history.replaceState(history.state, "", `${location.pathname}?${query}${location.hash}`);
    this.ask();
    this.draw();
  }

  // what is to be known; `key` names all of it, `of` what the three numbers depend on
  wanted() {
    const knobs = { ...this.spec.graph, ...this.spec.rewiring, edits: this.words.join(" ") };
    return { words: this.words, graph: this.graph, of: JSON.stringify(knobs), key: JSON.stringify([knobs, this.marked?.pair]), knobs: { ...knobs, marked: this.marked?.pair ?? "" } };
  }

  get stale() {
    return this.now?.of !== this.wanted().of;
  }

  async ask() {
    if (this.busy) return;
    this.busy = true;
    let [tried, tries] = ["", 0];
    for (let want = this.wanted(); !this.ended && this.now?.key !== want.key; want = this.wanted()) {
      try {
        const base = this.base ?? rowsOf(await this.answer(JSON.parse(want.graph)), []);
        const now = rowsOf(await this.answer(want.knobs), want.words);
        if (want.graph !== this.graph) continue; // another graph was chosen meanwhile
        const before = this.now;
        Object.assign(this, { base, now: { ...now, of: want.of, key: want.key }, good: want.words });
        this.trouble.textContent = this.refusal;
        this.answered(before);
      } catch (error) {
        if (want.graph !== this.graph) continue;
        this.trouble.textContent = error.message;
        [tried, tries] = [want.key, want.key === tried ? tries + 1 : 1];
        if (error.unanswered && tries === MOST_TRIES) break; // the edit stays, its numbers are not known
        if (!error.refused) await new Promise((done) => setTimeout(done, AGAIN));
        else if (want.words !== this.words) continue; // edited meanwhile
        else if (!want.words.length || want.words === this.good) break; // no edit is to blame: until something else is chosen
        else this.takeBack(error.message);
      }
      this.draw();
    }
    this.busy = false;
    this.draw();
  }

  async answer(knobs) {
    const body = JSON.stringify({ panel: this.spec.panel, knobs });
    const { frames, says, unanswered } = await askJson(address("panel", []), { method: "POST", body, headers: { "content-type": "application/json" } });
    if (!frames) throw Object.assign(new Error(says), { refused: !unanswered, unanswered });
    return frames;
  }

  takeBack(refusal) {
    Object.assign(this, { words: this.good ?? [], refusal, marked: undefined });
    this.past.pop();
    this.changed();
  }

  // -- editing ------------------------------------------------------------------------------------

  edit(words, sentence) {
    if (words.length > MOST_EDITS) return this.say(`There are ${MOST_EDITS} edits, and no more are allowed; take some back first.`);
    this.past.push(this.words);
    Object.assign(this, { words, marked: undefined, refusal: "" });
    this.trouble.textContent = "";
    this.say(sentence);
    this.changed();
  }

  undo() {
    if (!this.past.length) return this.say("There is nothing to take back.");
    this.edit(this.past.pop(), "The last change is taken back.");
    this.past.pop();
    this.draw();
  }

  // a node was chosen: mark it, or join it with the marked one
  choose(node) {
    const first = this.marked?.node;
    if (first === undefined || first === node) {
      this.mark(first === node ? undefined : { node });
      return this.say(first === node ? `Node ${node} is no longer marked.` : `Node ${node} is marked. Choose another one to join the two, or remove it.`);
    }
    const pair = pairOf(first, node);
    if (this.picture.edges.some((edge) => edge.pair === pair)) return this.mark({ pair });
    if (Math.max(first, node) >= this.base.nodes.length) return this.say("The rewiring brought that node along, and only nodes of the graph can be joined.");
    this.edit(withEdge(this.words, pair), `Edge ${pair} is added.`);
  }

  mark(marked) {
    this.marked = marked;
    if (marked?.pair) this.say(`Edge ${marked.pair} is marked.`);
    this.changed();
  }

  removeMarked(fallback) {
    const { pair, node = fallback } = this.marked ?? {}, { reads, knows } = this.base?.facts ?? {};
    if (pair !== undefined) {
      const edge = this.picture.edges.find((one) => one.pair === pair);
      if (edge?.added && !edge.byHand) return this.say("The rewiring put that edge in; choose fewer edges there to be rid of it.");
      return this.edit(withoutEdge(this.words, pair), `Edge ${pair} is removed.`);
    }
    if (node === undefined) return this.say("Mark a node or an edge first.");
    if (node === reads || node === knows) return this.say(`Between nodes ${reads} and ${knows} the message travels, so both must stay.`);
    if (node >= this.base.nodes.length) return this.say("The rewiring brought that node along; choose another one to be rid of it.");
    if (this.focus === node) this.focus = undefined;
    this.edit(withoutNode(this.words, node), `Node ${node} is removed with its edges.`);
  }

  recolour(kind) {
    this.kind = kind;
    this.changed();
  }
}

export default mounts(TouchGraph);
