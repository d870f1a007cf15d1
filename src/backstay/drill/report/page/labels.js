// What is written above the plot, and the lines that lead to it.

// The fault first, then whoever began to lead or to hold.
// Of several machines each that is hit ends a span, and begins the next.
const goesOn = (lane, moment) => lane.spans.some(([from]) => from === moment);
const wantedLabels = () => {
  const lane = drill.lanes.find((one) => one.name === "fault");
  const faults = (lane ? lane.spans : []).flatMap(([from, to, text]) => [
    { at: from, text: `↓ ${text}`, ink: "fault", weight: "600", always: true },
    ...(goesOn(lane, to) ? [] : [{ at: to, text: "↓ healed", ink: "good", weight: "600", always: true }]),
  ]);
  const turns = drill.turns.map(([at, text]) => ({ at, text, ink: "ink", weight: "", always: false }));
  return [...faults, ...turns].filter(({ at }) => view.from <= at && at <= view.to);
};
// Each gets a row right of its moment, or else left of it, where it meets no other label: if that
// can be, where no other's line goes through it either. Where there is none it is left out.
const placed = (wanted) => {
  const found = [];
  const isFree = ({ row, left, right }) => left >= gutter && right <= edge() &&
    found.every((other) => other.row !== row || right + 8 < other.left || other.right + 8 < left);
  const isClear = ({ row, left, right, x }) => found.every((other) =>
    !(other.row < row && left - 4 < other.x && other.x < right + 4) &&
    !(other.row > row && other.left - 4 < x && x < other.right + 4));
  for (const label of wanted) {
    const x = across(label.at);
    const width = measured(label.text, label.weight);
    const places = [x + 5, x - 5 - width].flatMap((left) =>
      Array.from({ length: labelRows() }, (_, row) => ({ ...label, x, row, left, right: left + width })));
    const free = places.filter(isFree);
    const place = free.find(isClear) || free[0];
    const left = Math.max(gutter, Math.min(x + 5, edge() - width));
    if (place || label.always) found.push(place || { ...label, x, row: 0, left, right: edge() });
  }
  canvas.dataset.labels = JSON.stringify(found.map(({ text, row, left, right }) => [text, row, left, right]));
  return found;
};
const rowAt = (row) => 12 + row * SIZE.row;
const drawLabel = ({ text, row, left, right, ink, weight }) =>
  write(text, left, rowAt(row), { ink, weight, most: right - left + 1, halo: true });
const topOf = (labels, at, text) => {
  const label = labels.find((one) => one.at === at && one.text.endsWith(text));
  return label ? rowAt(label.row) - 6 : rowAt(labelRows()) - 4;
};

const drawFault = (labels) => {
  const lane = drill.lanes.find((one) => one.name === "fault");
  for (const [from, to, text] of lane ? lane.spans : []) {
    const [left, right] = [across(from), across(to)];
    pen.globalAlpha = 0.08;
    pen.fillStyle = color("fault");
    pen.fillRect(left, bottom - SIZE.chart - 6, right - left, SIZE.chart + 6);
    pen.globalAlpha = 1;
    line([[crisp(left), topOf(labels, from, text)], [crisp(left), high()]], color("fault"));
    if (goesOn(lane, to)) continue;
    line([[crisp(right), topOf(labels, to, "healed")], [crisp(right), high()]], color("good"), [4, 3]);
  }
};

const drawGaps = (labels) => {
  drill.gaps.forEach(([from, to, ...texts], number) => {
    const [left, right] = [across(from), across(to)];
    const y = rowAt(labelRows() + number) + 2;
    if (right - left < 3) return;
    const ink = color("gap");
    for (const x of [left, right]) line([[crisp(x), y - 4], [crisp(x), y + 4]], ink);
    line([[left, y], [right, y]], ink);
    const spot = besideGap(texts, Math.max(left, gutter), Math.min(right, edge()), labels);
    if (!spot) return;
    pen.fillStyle = color("card"); // so that the bracket does not go through the words
    if (spot.isInside) pen.fillRect(spot.x - 6, y - 7, spot.width + 12, 14);
    write(spot.text, spot.x, y, { ink: "gap", halo: true });
  });
};
// Where a gap's words stand: within its bracket, right or left of it, and through no line if it can be.
const besideGap = (texts, start, stop, labels) => {
  const spots = texts.flatMap((text) => {
    const width = measured(text);
    return [
      { text, width, x: (start + stop - width) / 2, isInside: true, fits: stop - start > width + 24 },
      { text, width, x: stop + 6, fits: stop + 6 + width < edge() },
      { text, width, x: start - 6 - width, fits: start - 6 - width > gutter },
    ];
  }).filter(({ fits }) => fits);
  const isClear = ({ x, width }) => labels.every((one) => one.x < x - 3 || x + width + 3 < one.x);
  return spots.find(isClear) || spots[0];
};

const drawTurns = (labels) => {
  for (const [at, text] of drill.turns) {
    const x = crisp(across(at));
    line([[x, topOf(labels, at, text)], [x, bottom]], color("soft"), [1, 3]);
  }
};
