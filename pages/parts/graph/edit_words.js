// Edits of a graph as words: "+3-17" adds an edge, "-4-5" removes one, "~12" removes a node; node numbers are those before any edit.

const MOST_EDITS = 200; // as engine/labs/gnn/_edits.py allows
const pairOf = (a, b) => (a < b ? `${a}-${b}` : `${b}-${a}`);
const endsOf = (word) => word.slice(1).split("-").map(Number);
const without = (words, word) => words.filter((one) => one !== word);
const withEdge = (words, pair) => (words.includes(`-${pair}`) ? without(words, `-${pair}`) : [...words, `+${pair}`]);
const withoutEdge = (words, pair) => (words.includes(`+${pair}`) ? without(words, `+${pair}`) : [...words, `-${pair}`]);
const withoutNode = (words, node) => [...words.filter((word) => !endsOf(word).includes(node)), `~${node}`];

// the nodes and edges of an answer, with what was edited since; of a new edge nothing is known yet.  An edit that the answer knows of
// and its edges do not show was undone by the rewiring.
function edited({ nodes, edges, words: answered }, words, before) {
  const gone = new Set(words.filter((word) => word[0] === "~").flatMap(endsOf));
  const since = words.filter((word) => !answered.includes(word));
  const removed = new Set(since.filter((word) => word[0] === "-").map((word) => word.slice(1)));
  const here = before.filter((node) => !gone.has(node.n)); // a node that was taken back stands where it stood
  const known = new Set(here.map((node) => node.n));
  const brought = nodes.filter((node) => !before.some((one) => one.n === node.n));
  const kept = edges.filter((e) => !gone.has(e.a) && !gone.has(e.b) && !removed.has(e.pair) && !(e.byHand && !words.includes(`+${e.pair}`)));
  const there = new Set(kept.map((e) => e.pair));
  const fresh = since.filter((word) => word[0] === "+" && !there.has(word.slice(1)));
  for (const word of fresh) {
    const [a, b] = endsOf(word);
    if (known.has(a) && known.has(b)) kept.push({ a, b, pair: pairOf(a, b), byHand: true });
  }
  return { nodes: [...here, ...brought], edges: kept };
}

// the edits of edges that a rewiring took back: an added edge that is not there, a removed one that is
function undone({ edges, words }) {
  const gone = new Set(words.filter((word) => word[0] === "~").flatMap(endsOf)), there = new Set(edges.map((edge) => edge.pair));
  const ofEdges = words.filter((word) => word[0] !== "~" && !endsOf(word).some((node) => gone.has(node)));
  return ofEdges.filter((word) => (word[0] === "+") !== there.has(word.slice(1)));
}

// frames of the panel, column by column -> rows
function rowsOf(frames, words) {
  const zip = (frame) => Object.values(frame)[0].map((_, i) => Object.fromEntries(Object.entries(frame).map(([name, all]) => [name, all[i]])));
  const nodes = zip(frames.nodes).map(({ node, x, y }) => ({ n: node, x, y }));
  const edges = zip(frames.edges).map((e) => ({ ...e, pair: pairOf(e.a, e.b), byHand: words.includes(`+${pairOf(e.a, e.b)}`) }));
  return { nodes, edges, words, marked: zip(frames.marked)[0], facts: zip(frames.graph)[0] };
}
