// The still chart: a whole figure without a run.  It stays mounted, so that a new figure moves the old one and nothing flickers.

const WHOLE = { "xaxis.autorange": true, "yaxis.autorange": true };
const NO_WEBGL = "This picture needs WebGL, which this browser does not offer.";
let offered; // asked once: a browser keeps few of the contexts that asking makes
const webgl = () => (offered ??= Boolean(document.createElement("canvas").getContext("webgl")));

class StillChart {
  constructor(root) {
    this.box = document.createElement("div");
    this.box.className = "fl-chart";
    this.node = document.createElement("div");
    this.node.setAttribute("role", "figure"); // an image may not hold the buttons of the chart
    this.note = document.createElement("div");
    this.note.className = "fl-note";
    this.note.setAttribute("role", "status");
    this.box.append(this.node, this.note);
    root.append(this.box);
    this.sizes = new ResizeObserver(() => this.box.clientWidth !== this.width && this.draw());
    this.sizes.observe(this.box);
  }

  update({ data, setStateValue }) {
    below(data);
    this.spec = data;
    this.report = setStateValue;
    this.node.setAttribute("aria-label", data.says);
    this.draw();
  }

  async draw() {
    if (this.spec?.webgl && !webgl()) return void (this.note.textContent = NO_WEBGL);
    const Plotly = await plotly().catch((error) => void (this.note.textContent = error.message));
    if (!Plotly) return void setTimeout(() => this.box.isConnected && this.draw(), AGAIN);
    this.note.textContent = "";
    if (!this.spec || !this.box.clientWidth || !this.box.isConnected) return;
    this.width = this.box.clientWidth;
    const { data, layout } = structuredClone(this.spec.figure);
    const { zooms } = this.spec;
    const all = { name: "everything", title: "Show everything", icon: Plotly.Icons.home, click: () => Plotly.relayout(this.node, WHOLE) };
    const modeBarButtons = [["zoom2d", "pan2d", zooms ? all : "resetScale2d", "toImage"]];
    const config = { displaylogo: false, displayModeBar: bar(), responsive: false, modeBarButtons };
    if (zooms) config.doubleClick = "autosize";
    const held = zooms ? { dragmode: "zoom", uirevision: "stays" } : { dragmode: false };
    await Plotly.react(this.node, data, { ...held, ...themed(this.box, layout, this.width) }, config);
    if (zooms && !this.listens) this.node.on("plotly_relayout", (change) => this.zoomed(change));
    this.listens = zooms;
  }

  // a range of x was chosen, or everything
  zoomed(change) {
    const low = change["xaxis.range[0]"] ?? change["xaxis.range"]?.[0];
    const high = change["xaxis.range[1]"] ?? change["xaxis.range"]?.[1];
    if (low !== undefined) this.report("range", [low, high]);
    else if (change["xaxis.autorange"]) this.report("range", []); // a value: Streamlit does not hear of null where nothing was said before
  }

  end() {
    this.sizes.disconnect();
    globalThis.Plotly?.purge(this.node);
    this.box.remove();
  }
}

export default mounts(StillChart);
