// What every chart of the page shares: the library it is drawn with, a moment's patience, and the colours of the page's theme.

// The lab's own addresses stand beside the pages, below the path prefix that the server was given.  Where a proxy adds one and
// takes it away again, the server knows of none, and the address of the page shows it.
const below = ({ prefix }) => (globalThis.faultlinePrefix = prefix.replace(/^\/+|\/+$/g, ""));
const address = (path, query) => {
  const prefix = globalThis.faultlinePrefix;
  const at = prefix ? `${location.pathname}/`.indexOf(`/${prefix}/`) : -1;
  const folder = at < 0 ? location.pathname : `${location.pathname.slice(0, at)}/${prefix}/`;
  const url = new URL(`./${path}`, location.origin + folder);
  for (const [name, value] of query) url.searchParams.append(name, value);
  return url;
};

const AGAIN = 2000; // milliseconds until a question that got no answer is asked again

// the library; one that did not come is fetched anew by who asks later
const plotly = () => (globalThis.faultlinePlotly ??= new Promise((done, fail) => {
  const script = document.createElement("script");
  const failed = (why) => {
    setTimeout(() => (globalThis.faultlinePlotly = undefined), AGAIN);
    script.remove();
    fail(new Error(`No chart can be drawn: the address ${new URL(script.src).pathname} ${why}; the page asks again by itself.`));
  };
  script.src = address("plotly.js", []);
  script.onload = () => (globalThis.Plotly ? done(globalThis.Plotly) : failed("did not answer with the charts' library"));
  script.onerror = () => failed("cannot be reached");
  document.head.append(script);
}));

const frame = () => new Promise(requestAnimationFrame);

// a trace without a point
const hollow = (trace) => ["x", "y", "z"].every((name) => !(trace[name]?.length || trace[name]?.bdata));

// a figure's layout in the colours and the type of the page around `box`
function themed(box, given, width) {
  const css = getComputedStyle(box);
  const ink = css.getPropertyValue("--st-text-color").trim() || "#222";
  const paper = css.getPropertyValue("--st-background-color").trim() || "#fff";
  const faint = "rgba(128,128,128,0.25)";
  const layout = { ...given, width, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)" };
  layout.font = { color: ink, size: 12, family: css.fontFamily };
  layout.modebar = { orientation: "v", bgcolor: "rgba(0,0,0,0)", color: "rgba(128,128,128,0.8)", activecolor: ink };
  layout.hoverlabel = { ...given.hoverlabel, bgcolor: paper, bordercolor: faint, font: { ...layout.font, size: 11 } };
  for (const name of Object.keys(given).filter((k) => /^[xy]axis\d*$/.test(k))) {
    const axis = (layout[name] = { gridcolor: faint, linecolor: faint, ...PLAIN, ...given[name] });
    const title = typeof axis.title === "string" ? { text: axis.title } : axis.title;
    if (title?.text && axis.visible !== false) Object.assign(axis, { automargin: true, title: { standoff: name[0] === "x" ? 6 : 10, ...title } }); // never over the ticks
  }
  return layout;
}

// no suffix on an axis: "500µ" or "1.8m" would be read as a unit
const PLAIN = { exponentformat: "power", minexponent: 4 };

// where a finger points, or there is no room beside the panel, the row of icons would only cover it; two taps show everything
const bar = () => (matchMedia("(hover: none), (max-width: 640px)").matches ? false : "hover");
