// What every chart of the page shares: the library it is drawn with, a moment's patience, and the colours of the page's theme.

const address = (path, query) => {
  const url = new URL(`./${path}`, location.origin + location.pathname);
  for (const [name, value] of query) url.searchParams.append(name, value);
  return url;
};

const plotly = () => (globalThis.faultlinePlotly ??= new Promise((done, fail) => {
  const script = document.createElement("script");
  script.src = address("plotly.js", []);
  script.onload = () => done(globalThis.Plotly);
  script.onerror = () => fail(new Error("the charts' library could not be loaded from /plotly.js"));
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
  for (const name of Object.keys(given).filter((k) => /^[xy]axis\d*$/.test(k))) layout[name] = { gridcolor: faint, linecolor: faint, ...given[name] };
  return layout;
}
