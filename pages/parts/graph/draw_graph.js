// Drawing a graph on a canvas, and finding what lies under a finger.  A bottleneck is thick and warm, its opposite thin and blue: the
// width says what the colour says.  What was added is dashed; the node that is read is a square, the one that knows a diamond.

const HUES = {
  light: { warm: [194, 74, 0], even: [128, 138, 148], cool: [0, 114, 178] },
  dark: { warm: [240, 122, 58], even: [138, 148, 158], cool: [86, 180, 233] },
};
const KINDS = { // how much of a bottleneck an edge is, from -1 (none) to 1; what stands at three points of the legend
  curvature: { tone: (edge) => -edge.curvature / 1.5, unit: "", ends: ["−1.5 or less: a bottleneck", "0", "1.5 or more: many ways round"] },
  resistance: { tone: (edge) => 2 * edge.resistance - 1, unit: " ohm", ends: ["1 ohm: no way round it", "0.5", "near 0: many ways round"] },
};
const LEVELS = 12; // edges of nearly one tone are drawn in one stroke
const DASH = [7, 4];
const MARGIN = 26;
const STRETCH = 2.2; // a flat graph is drawn up to so much taller than it is

const radiusOf = (nodes) => (nodes <= 60 ? 9.5 : nodes <= 300 ? 5 : 2);
const mixed = (from, to, share) => `rgb(${from.map((one, i) => Math.round(one + (to[i] - one) * share)).join(",")})`;
const styleOf = (tone, theme) => {
  const { warm, even, cool } = HUES[theme], level = Math.max(-1, Math.min(1, tone));
  return { colour: mixed(even, level > 0 ? warm : cool, Math.abs(level)), width: 1.2 + 1.5 * (level + 1) ** 2 };
};

// from places in the unit square to places on a canvas: where `all` nodes fit, so that nothing moves when one of them is removed
function placed(all, nodes, moved, width, height) {
  const [left, low, right, high] = [Math.min, Math.max].flatMap((end) => ["x", "y"].map((axis) => end(...all.map((node) => node[axis]))));
  const fits = [(width - 2 * MARGIN) / (right - left || 1e-9), (height - 2 * MARGIN) / (high - low || 1e-9)];
  const most = Math.min(...fits) * STRETCH, [sx, sy] = fits.map((fit) => Math.min(fit, most));
  const to = ({ x, y }) => [width / 2 + sx * (x - (left + right) / 2), height / 2 + sy * (y - (low + high) / 2)];
  const from = (x, y) => ({ x: (x - width / 2) / sx + (left + right) / 2, y: (y - height / 2) / sy + (low + high) / 2 });
  return { at: new Map(nodes.map((node) => [node.n, to(moved.get(node.n) ?? node)])), from };
}

function drawGraph(canvas, { nodes, edges, at, kind, theme, ink, paper, marked, focus, reads, knows }) {
  const pen = canvas.getContext("2d"), scale = devicePixelRatio || 1, radius = radiusOf(nodes.length);
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, canvas.width, canvas.height);
  const strokes = new Map();
  for (const edge of edges) {
    const known = edge.curvature !== undefined, dashed = edge.byHand || edge.added;
    const tone = known ? Math.round(KINDS[kind].tone(edge) * LEVELS) / LEVELS : "new";
    const key = `${Math.max(-1, Math.min(1, tone))} ${dashed}`;
    if (!strokes.has(key)) strokes.set(key, { tone, dashed, path: new Path2D() });
    const { path } = strokes.get(key);
    path.moveTo(...at.get(edge.a));
    path.lineTo(...at.get(edge.b));
  }
  for (const { tone, dashed, path } of [...strokes.values()].sort((one, other) => (one.tone === "new" ? 1 : one.tone - other.tone))) {
    const { colour, width } = tone === "new" ? { colour: ink, width: 1.5 } : styleOf(tone, theme);
    pen.setLineDash(dashed ? DASH : []);
    Object.assign(pen, { strokeStyle: colour, lineWidth: width * (nodes.length > 300 ? 0.35 : nodes.length > 60 ? 0.6 : 1), lineCap: dashed ? "butt" : "round" });
    pen.stroke(path);
  }
  pen.setLineDash([]);
  if (marked?.pair) {
    const edge = edges.find((one) => one.pair === marked.pair);
    Object.assign(pen, { strokeStyle: ink, lineWidth: 9, globalAlpha: 0.35 });
    if (edge) pen.stroke(new Path2D(`M${at.get(edge.a)}L${at.get(edge.b)}`));
    pen.globalAlpha = 1;
  }
  const shape = (n, r) => {
    const [x, y] = at.get(n), path = new Path2D();
    if (n === reads) path.rect(x - r, y - r, 2 * r, 2 * r);
    else if (n === knows) path.addPath(new Path2D(`M${x} ${y - 1.4 * r}L${x + 1.4 * r} ${y}L${x} ${y + 1.4 * r}L${x - 1.4 * r} ${y}Z`));
    else path.arc(x, y, r, 0, 7);
    return path;
  };
  Object.assign(pen, { textAlign: "center", textBaseline: "middle", font: `600 ${radius > 9 ? 10.5 : 11}px sans-serif` });
  for (const { n } of nodes) {
    const chosen = marked?.node === n, path = shape(n, n === reads || n === knows ? Math.max(radius, 5) : radius);
    pen.fillStyle = chosen ? paper : ink;
    pen.fill(path);
    Object.assign(pen, { strokeStyle: chosen ? ink : paper, lineWidth: chosen ? 3 : 1 });
    pen.stroke(path);
    if (radius > 9) {
      pen.fillStyle = chosen ? ink : paper;
      pen.fillText(n, ...at.get(n));
    }
  }
  for (const n of [marked?.node, focus].filter((one) => at.has(one))) {
    const [x, y] = at.get(n);
    if (radius < 9) {
      Object.assign(pen, { strokeStyle: paper, lineWidth: 4, fillStyle: ink });
      pen.strokeText(n, x, y - radius - 10);
      pen.fillText(n, x, y - radius - 10);
    }
    if (n === focus) {
      Object.assign(pen, { strokeStyle: ink, lineWidth: 2 });
      pen.stroke(new Path2D(`M${x - radius - 7} ${y}a${radius + 7} ${radius + 7} 0 1 0 ${2 * radius + 14} 0a${radius + 7} ${radius + 7} 0 1 0 ${-2 * radius - 14} 0`));
    }
  }
}

// the nearest node within `reach` pixels of its rim, else undefined
function nodeUnder(nodes, at, x, y, reach) {
  let best, least = radiusOf(nodes.length) + reach;
  for (const { n } of nodes) {
    const far = Math.hypot(at.get(n)[0] - x, at.get(n)[1] - y);
    if (far < least) [best, least] = [n, far];
  }
  return best;
}

function edgeUnder(edges, at, x, y, reach) {
  let best, least = reach;
  for (const edge of edges) {
    const [ax, ay] = at.get(edge.a), [bx, by] = at.get(edge.b), [dx, dy] = [bx - ax, by - ay];
    const share = Math.max(0, Math.min(1, ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy || 1)));
    const far = Math.hypot(ax + share * dx - x, ay + share * dy - y);
    if (far < least) [best, least] = [edge, far];
  }
  return best;
}
