// Mouse, touch and keyboard on the map.  A tap chooses a cell, a second one at the same spot zooms; a mouse drags the view.

const SLIP = 5; // pixels that a finger may slip without dragging
const TWICE = 350; // milliseconds between the two taps of a pair

function hands(map) {
  const { stage } = map;
  let held, tapped = { at: 0 }, turned = 0;
  const where = (event) => {
    const { left, top } = stage.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  };
  const inside = ({ share, up }) => share >= 0 && share <= 1 && up >= 0 && up <= 1;

  stage.addEventListener("pointerdown", (event) => {
    if (event.button || !map.view) return;
    held = { start: where(event), middle: { ...map.middle }, mouse: event.pointerType === "mouse" };
    if (held.mouse) stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointermove", (event) => {
    if (!held?.mouse) return;
    const [x, y] = where(event), [dx, dy] = [x - held.start[0], y - held.start[1]];
    if (!(held.moving ||= Math.hypot(dx, dy) > SLIP)) return;
    const { width, height } = map.inner, { decades } = map.view;
    map.middle = { x: held.middle.x - (dx / width) * decades, y: held.middle.y + (dy / height) * decades };
    map.draw();
  });
  stage.addEventListener("pointerup", (event) => {
    const { moving } = held ?? {}, [x, y] = where(event), there = held && map.from(x, y);
    held = undefined;
    if (moving) return map.show({ ...map.view, x: 10 ** map.middle.x, y: 10 ** map.middle.y });
    if (!there || !inside(there)) return;
    const again = event.timeStamp - tapped.at < TWICE && Math.hypot(x - tapped.x, y - tapped.y) < 4 * SLIP;
    tapped = { at: again ? 0 : event.timeStamp, x, y };
    if (again) map.zoom(1, there);
    else map.choose(there);
  });
  stage.addEventListener("pointercancel", () => (held = undefined));
  stage.addEventListener(
    "wheel",
    (event) => {
      const there = map.view && map.from(...where(event));
      if (!there || !inside(there)) return;
      event.preventDefault();
      if (event.timeStamp - turned < TWICE) return; // one turn of a wheel is many events
      turned = event.timeStamp;
      map.zoom(event.deltaY < 0 ? 1 : -1, there);
    },
    { passive: false },
  );

  const sides = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  const keys = { "+": () => map.zoom(1), "=": () => map.zoom(1), "-": () => map.zoom(-1), Home: () => map.home.click(), Enter: () => map.chooseAgain() };
  keys[" "] = keys.Enter;
  stage.addEventListener("keydown", (event) => {
    if (!map.view || event.altKey || event.metaKey) return;
    const side = sides[event.key];
    if (side && event.ctrlKey) map.slide(...side);
    else if (side) map.step(...side);
    else if (event.ctrlKey || !keys[event.key]) return;
    else keys[event.key]();
    event.preventDefault();
    event.stopPropagation(); // the page has shortcuts of its own
  });
}
