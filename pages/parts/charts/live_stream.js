// The one stream of a page: what is new about its runs, from /live, told to the hub (live_hub.js).  Where the server gives none,
// the hub asks for snapshots instead.

const POLL = 5000; // milliseconds between two snapshots of a page that gets no stream
const SILENCE = 3000; // milliseconds without a stream until the page says so

class LiveStream {
  source = null;
  followed = "";

  constructor(hub) {
    this.hub = hub;
  }

  follow(runs) {
    if (runs.join() === this.followed) return;
    this.close();
    if (!runs.length) return void this.hub.trouble("stream", "");
    this.followed = runs.join();
    const url = address("live", runs.map((run) => ["run", run]));
    this.source = new EventSource(url);
    this.source.onopen = () => {
      this.heard();
      runs.forEach((run) => this.hub.fetch(run)); // nothing is missed between snapshot and stream
    };
    this.source.onerror = ({ target }) => {
      if (target !== this.source) return;
      // the browser itself tries again after a lost connection, but not after a refusal
      if (target.readyState === EventSource.CLOSED) return void this.poll(url);
      this.silent ??= setTimeout(() => this.bridge(UNREACHABLE), SILENCE);
    };
    this.source.addEventListener("resync", (event) => JSON.parse(event.data).runs.forEach((run) => this.hub.fetch(run)));
    this.source.addEventListener("delta", (event) => this.hub.grow(JSON.parse(event.data)));
  }

  async poll(url) {
    this.close();
    const why = await whyNoStream(url);
    if (this.source || document.hidden) return; // another one was begun, or nobody looks
    if (why) this.bridge(why);
    this.polling = setTimeout(() => this.hub.listen(), why ? POLL : AGAIN);
  }

  // snapshots, until there is a stream again
  bridge(why) {
    this.hub.trouble("stream", why);
    for (const run of this.hub.growing()) this.hub.fetch(run);
    if (this.source) this.silent = setTimeout(() => this.bridge(why), POLL);
  }

  heard() {
    clearTimeout(this.silent);
    this.silent = undefined;
    this.hub.trouble("stream", "");
  }

  close() {
    clearTimeout(this.silent);
    clearTimeout(this.polling);
    this.silent = undefined;
    this.source?.close();
    this.source = null;
    this.followed = "";
  }
}
