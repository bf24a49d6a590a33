// Asking the lab's own addresses, with one sentence for a person where an answer is none: for live_hub.js and graph.js.

const UNREACHABLE = "The server does not answer; the page asks again by itself.";
const kindOf = (answer) => (answer.headers.get("content-type") ?? "nothing").split(";")[0].trim();
const strange = (url, kind) =>
  `The address ${url.pathname} answered with ${kind} and not with what the lab sends; a proxy or a path prefix before the lab may be set wrongly.`;

// a document in JSON; throws an Error whose message is the sentence, `refused` where the question cannot be answered
async function askJson(url, options) {
  const answer = await fetch(url, options).catch(() => {
    throw new Error(UNREACHABLE);
  });
  if (kindOf(answer) !== "application/json") throw new Error(strange(url, kindOf(answer)));
  const got = await answer.json().catch(() => {
    throw new Error(UNREACHABLE); // cut off in the middle
  });
  if (!answer.ok) {
    const error = new Error(got.error ?? `The address ${url.pathname} answered with the error ${answer.status}.`);
    throw Object.assign(error, { refused: answer.status === 400 });
  }
  return got;
}

// why a stream was refused, which an EventSource does not tell; "" when it would be given now
async function whyNoStream(url) {
  const over = new AbortController();
  try {
    const answer = await fetch(url, { signal: over.signal });
    if (kindOf(answer) === "text/event-stream") return "";
    if (kindOf(answer) !== "application/json") return strange(url, kindOf(answer));
    return (await answer.json()).error ?? UNREACHABLE;
  } catch {
    return UNREACHABLE;
  } finally {
    over.abort();
  }
}
