// Fetches plotly.js while nothing else happens, so that the first chart need not wait for it.
export default function () {
  const load = () => {
    globalThis.faultlinePlotly ??= new Promise((done, fail) => {
      const script = document.createElement("script");
      script.src = new URL("./plotly.js", location.origin + location.pathname);
      script.onload = () => done(globalThis.Plotly);
      script.onerror = () => fail(new Error("the charts' library could not be loaded from /plotly.js"));
      document.head.append(script);
    });
    globalThis.faultlinePlotly.catch(() => (globalThis.faultlinePlotly = undefined));
  };
  (globalThis.requestIdleCallback ?? setTimeout)(load);
}
