// What of it is shown, and where each moment and each length has its place.

const view = { from: 0, to: end };
const hidden = { group: new Set(), action: new Set() };
let drag = null;
let wanted = 0;

const isShown = (row) =>
  !hidden.group.has(drill.clients[rows.client[row]][1]) &&
  !hidden.action.has(ACTIONS[rows.kind[row] % 2]);

const look = (from, to) => {
  const span = Math.min(Math.max(to - from, NARROWEST), end);
  view.from = Math.min(Math.max(from, 0), end - span);
  view.to = view.from + span;
  ask();
};
const zoom = (factor, around = (view.from + view.to) / 2) =>
  look(around - (around - view.from) * factor, around + (view.to - around) * factor);
const move = (share) => {
  const step = (view.to - view.from) * share;
  look(view.from + step, view.to + step);
};
const all = () => look(0, end);
const fault = () => {
  const margin = Math.max((drill.undone - drill.fault) * 0.25, 5e5);
  look(drill.fault - margin, drill.undone + margin);
};
const ask = () => {
  if (!wanted) wanted = requestAnimationFrame(() => { wanted = 0; draw(); });
};

let room = canvas.clientWidth; // read once for each drawing: asking the page a thousand times is slow
const isNarrow = () => room < SIZE.narrow;
const labelRows = () => 2 + (drill.turns.length ? (isNarrow() ? 3 : 1) : 0);
let gutter = 0; // as wide as the names of lanes, which stand above them where there is no room
let bottom = 0;
const lay = () => {
  room = canvas.clientWidth;
  const names = [...SCALES.map(([, name]) => name), ...(isNarrow() ? [] : drill.lanes.map((lane) => lane.name))];
  gutter = Math.ceil(Math.min(Math.max(...names.map((name) => measured(name))) + 24, room / 3));
  bottom = 6 + (labelRows() + drill.gaps.length) * SIZE.row + 10 + SIZE.chart;
  canvas.dataset.place = [gutter, wide(), bottom - SIZE.chart, bottom, laneTop(0)].join(" ");
};
const wide = () => room - gutter - SIZE.right;
const edge = () => gutter + wide();
const laneHigh = () => SIZE.lane + (isNarrow() ? SIZE.name : 0);
const high = () => bottom + SIZE.axis + drill.lanes.length * laneHigh() + 10;
const across = (moment) => gutter + (moment - view.from) / (view.to - view.from) * wide();
const momentAt = (x) => view.from + (x - gutter) / wide() * (view.to - view.from);
const down = (length) => {
  const height = Math.log(Math.max(length, FLOOR) / FLOOR) / Math.log(ceiling / FLOOR);
  return bottom - height * SIZE.chart;
};
const laneTop = (number) => bottom + SIZE.axis + number * laneHigh();
