// Mouse, touch and keyboard on the graph.  A touch that begins on a node moves or chooses it; one beside the nodes scrolls the page.

const SLIP = 5; // pixels that a finger may slip without dragging
const REACH = { mouse: 5, pen: 10, touch: 16 }; // beyond the rim of a node

function hands(graph) {
  const { stage } = graph;
  let held; // { node, x, y, moving }
  const where = (event) => {
    const { left, top } = stage.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  };
  const under = (x, y, kind) => {
    if (!graph.picture) return {};
    const { nodes, edges } = graph.picture, reach = REACH[kind] ?? REACH.touch, node = nodeUnder(nodes, graph.at, x, y, reach);
    return node === undefined ? { edge: edgeUnder(edges, graph.at, x, y, reach + 3) } : { node };
  };

  stage.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    const [x, y] = where(event), { node } = under(x, y, event.pointerType);
    held = { node, x, y };
    if (node !== undefined) stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointermove", (event) => {
    const [x, y] = where(event);
    if (!held) {
      const { node, edge } = under(x, y, event.pointerType);
      stage.style.cursor = node !== undefined || edge ? "pointer" : "";
    } else if (held.node !== undefined && (held.moving ||= Math.hypot(x - held.x, y - held.y) > SLIP)) {
      const inside = (at, size) => Math.max(8, Math.min(size - 8, at));
      graph.moved.set(held.node, graph.from(inside(x, stage.clientWidth), inside(y, stage.clientHeight)));
      graph.draw();
    }
  });
  stage.addEventListener("pointerup", (event) => {
    const { x, y, moving } = held ?? {};
    held = undefined;
    if (x === undefined || moving) return;
    const { node, edge } = under(x, y, event.pointerType);
    graph.focus = undefined;
    if (node !== undefined) graph.choose(node);
    else if (edge) graph.mark(graph.marked?.pair === edge.pair ? undefined : { pair: edge.pair });
    else if (graph.marked) graph.mark(undefined);
  });
  stage.addEventListener("pointercancel", () => (held = undefined));
  stage.addEventListener(
    "touchstart",
    (event) => {
      const [x, y] = where(event.touches[0]);
      if (under(x, y, "touch").node !== undefined) event.preventDefault(); // or the page would scroll under the node
    },
    { passive: false },
  );

  const walk = (step) => {
    const nodes = graph.picture?.nodes.map((node) => node.n) ?? [], now = nodes.indexOf(graph.focus), next = nodes[now + step];
    graph.focus = now < 0 ? nodes.at(step < 0 ? -1 : 0) : next;
    graph.draw();
    if (graph.focus === undefined) return false;
    const degree = graph.picture.edges.filter((edge) => edge.a === graph.focus || edge.b === graph.focus).length;
    const { reads, knows } = graph.base.facts, part = { [reads]: ", the node that is read", [knows]: ", the node that knows the class" };
    graph.say(`Node ${graph.focus}, ${degree} ${degree === 1 ? "neighbour" : "neighbours"}${part[graph.focus] ?? ""}.`);
    return true;
  };
  stage.addEventListener("focus", ({ relatedTarget }) => {
    const backwards = relatedTarget && stage.compareDocumentPosition(relatedTarget) & Node.DOCUMENT_POSITION_FOLLOWING;
    if (stage.matches(":focus-visible")) walk(backwards ? -1 : 1);
  });
  stage.addEventListener("blur", () => {
    graph.focus = undefined;
    graph.draw();
  });
  const keys = {
    Tab: (event) => walk(event.shiftKey ? -1 : 1),
    ArrowRight: () => walk(1) || true,
    ArrowLeft: () => walk(-1) || true,
    Enter: () => graph.focus !== undefined && (graph.choose(graph.focus), true),
    Delete: () => (graph.removeMarked(graph.focus), true),
    Escape: () => (graph.marked ? graph.mark(undefined) : stage.blur(), true),
  };
  Object.assign(keys, { " ": keys.Enter, Backspace: keys.Delete });
  stage.addEventListener("keydown", (event) => {
    const undoing = event.key === "z" && (event.ctrlKey || event.metaKey);
    if (undoing ? (graph.undo(), true) : keys[event.key]?.(event)) {
      event.preventDefault();
      event.stopPropagation(); // the page has shortcuts of its own
    }
  });
}
