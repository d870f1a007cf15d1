// What the pointer, the keys and the buttons do.

const nearest = (x, y) => {
  let found = -1;
  let least = SIZE.near ** 2;
  const last = firstAt(momentAt(x + SIZE.near));
  for (let row = firstAt(momentAt(x - SIZE.near)); row < last; row += 1) {
    const far = (across(called[row]) - x) ** 2 + (down(lasted[row]) - y) ** 2;
    const distance = far / (rows.kind[row] > 1 ? 4 : 1); // what failed is easier to point at
    if (distance < least && isShown(row)) { found = row; least = distance; }
  }
  return found;
};
const under = (x, y) => {
  const lane = drill.lanes[Math.floor((y - laneTop(0)) / laneHigh())];
  const moment = momentAt(x);
  if (!lane || x < gutter) return "";
  const span = lane.spans.find(([from, to]) => from <= moment && moment < to);
  if (!span) return "";
  return `${lane.name}: ${span[2]}\n${clock(span[0])} to ${clock(span[1])}, ${time(span[1] - span[0])}`;
};
const turnAt = (x) => {
  const near = ([at]) => Math.abs(across(at) - x);
  const [turn] = drill.turns.filter((one) => near(one) < SIZE.near / 2).sort((one, other) => near(one) - near(other));
  return turn ? `${turn[2]}\nat ${clock(turn[0])}${timeOfDay(turn[0])}` : "";
};
const hover = (x, y) => {
  const row = y < bottom + SIZE.near ? nearest(x, y) : -1;
  const text = row >= 0 ? story(row) : y < bottom ? turnAt(x) : under(x, y);
  tip.hidden = !text;
  tip.textContent = text;
  if (!text) return;
  const left = x + 16 + tip.offsetWidth > room ? x - 16 - tip.offsetWidth : x + 16;
  tip.style.left = `${Math.max(left, 4)}px`;
  tip.style.top = `${Math.min(Math.max(y - 12, 4), Math.max(high() - tip.offsetHeight - 4, 4))}px`;
};

canvas.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  canvas.setPointerCapture(event.pointerId);
  drag = { start: event.offsetX, now: event.offsetX, zooms: !event.shiftKey, from: view.from };
  tip.hidden = true;
});
canvas.addEventListener("pointermove", (event) => {
  if (!drag) { hover(event.offsetX, event.offsetY); return; }
  drag.now = event.offsetX;
  if (drag.zooms) { ask(); return; }
  const span = view.to - view.from;
  const from = drag.from - (drag.now - drag.start) / wide() * span;
  look(from, from + span);
});
canvas.addEventListener("pointerup", () => {
  if (!drag) return;
  const [left, right] = [drag.start, drag.now].sort((one, other) => one - other);
  const chosen = drag.zooms && right - left > 5;
  drag = null;
  if (chosen) look(momentAt(left), momentAt(right)); else ask();
});
canvas.addEventListener("pointercancel", () => { drag = null; ask(); });
canvas.addEventListener("pointerleave", () => { tip.hidden = true; });
canvas.addEventListener("dblclick", all);
canvas.addEventListener("wheel", (event) => {
  const isWhole = view.from <= 0 && view.to >= end;
  if (isWhole && event.deltaY >= 0) return; // nothing to zoom out of: the page may scroll
  event.preventDefault();
  tip.hidden = true;
  if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) move(event.deltaX / 1000);
  else zoom(1.0015 ** event.deltaY, momentAt(event.offsetX));
}, { passive: false });
const KEYS = {
  ArrowLeft: () => move(-0.2), ArrowRight: () => move(0.2),
  "+": () => zoom(0.6), "=": () => zoom(0.6), "-": () => zoom(1 / 0.6),
  0: all, Home: all, Escape: all, f: fault,
};
canvas.addEventListener("keydown", (event) => {
  if (!KEYS[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  KEYS[event.key]();
});

const VIEWS = { in: () => zoom(0.6), out: () => zoom(1 / 0.6), fault, all };
for (const button of document.querySelectorAll("[data-view]")) {
  button.addEventListener("click", VIEWS[button.dataset.view]);
}
for (const kind of ["group", "action"]) {
  for (const box of document.querySelectorAll(`[data-${kind}]`)) {
    box.addEventListener("change", () => {
      hidden[kind][box.checked ? "delete" : "add"](box.dataset[kind]);
      ask();
    });
  }
}
for (const media of ["(prefers-color-scheme: dark)", "print"]) {
  window.matchMedia(media).addEventListener("change", draw);
}
new ResizeObserver(ask).observe(canvas.parentElement);
draw();
