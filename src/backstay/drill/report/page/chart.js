// Scales, operations and lanes: the whole picture.

const draw = () => {
  const scale = window.devicePixelRatio || 1;
  inks.clear();
  lay();
  canvas.style.height = `${high()}px`;
  canvas.width = Math.round(room * scale);
  canvas.height = Math.round(high() * scale);
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.lineWidth = 1;
  drawScales();
  const labels = placed(wantedLabels());
  within(high(), () => drawFault(labels));
  within(bottom + 1, () => {
    drawTurns(labels);
    drawGaps(labels);
    tell(drawOperations());
    labels.forEach(drawLabel);
  });
  drawTicks();
  drill.lanes.forEach(drawLane);
  drawWhere();
  if (drag && drag.zooms) drawChoice();
};

const drawScales = () => {
  const ink = color("line");
  for (const [length, name] of SCALES) {
    if (length > ceiling) break;
    const y = crisp(down(length));
    line([[gutter, y], [edge(), y]], ink);
    write(name, gutter - 10, y, { align: "right" });
  }
  line([[gutter, bottom + 0.5], [edge(), bottom + 0.5]], color("soft"));
};
const drawTicks = () => {
  const step = niceStep((view.to - view.from) / (wide() / 90));
  const digits = Math.max(0, 6 - Math.floor(Math.log10(step)));
  for (let moment = Math.ceil(view.from / step) * step; moment <= view.to; moment += step) {
    const x = crisp(across(moment));
    line([[x, bottom], [x, bottom + 5]], color("soft"));
    write(clock(moment, digits), x, bottom + 14, { align: "center", halo: true });
  }
};
const niceStep = (least) => {
  const power = 10 ** Math.floor(Math.log10(least));
  return power * [1, 2, 5, 10].find((one) => one * power >= least);
};

const drawOperations = () => {
  const seen = { ok: 0, failed: 0, unknown: 0, slowest: 0 };
  const worst = [];
  const last = firstAt(view.to);
  const many = last - firstAt(view.from);
  const dots = dotted(many > 20000 ? 2 : many > 1500 ? 3 : 4);
  for (let row = firstAt(view.from - longest); row < last; row += 1) {
    if (called[row] + lasted[row] < view.from || !isShown(row)) continue;
    const outcome = rows.kind[row] >> 1;
    seen[OUTCOMES[outcome]] += 1;
    if (outcome) { worst.push(row); continue; }
    if (lasted[row] > seen.slowest) seen.slowest = lasted[row];
    dots.add(across(called[row]), down(lasted[row]));
  }
  dots.show();
  worst.forEach(drawFailure);
  return seen;
};
// Dots as pixels of one picture: where more fall on the same place, it is darker.
const dotted = (wanted) => {
  const scale = window.devicePixelRatio || 1;
  const [width, height] = [Math.ceil(room * scale), Math.ceil((bottom + 2) * scale)];
  const size = Math.round(wanted * scale);
  const weights = new Uint8ClampedArray(width * height);
  const add = (x, y) => {
    const [left, top] = [x, y].map((place) => Math.round(place * scale - size / 2));
    if (left < 0 || left + size > width || top < 0 || top + size > height) return;
    for (let line = top; line < top + size; line += 1) {
      for (let place = line * width + left; place < line * width + left + size; place += 1) weights[place] += 140;
    }
  };
  const show = () => {
    const picture = new ImageData(width, height);
    const ink = [1, 3, 5].map((place) => parseInt(color("ok").slice(place, place + 2), 16));
    weights.forEach((weight, place) => { if (weight) picture.data.set([...ink, weight], place * 4); });
    const sheet = new OffscreenCanvas(width, height);
    sheet.getContext("2d").putImageData(picture, 0, 0);
    pen.drawImage(sheet, 0, 0, width / scale, height / scale);
  };
  return { add, show };
};
// A cross for what failed, a diamond for what is unknown; its tail is how long it was waited for.
const drawFailure = (row) => {
  const x = across(called[row]);
  const y = down(lasted[row]);
  const isUnknown = rows.kind[row] >> 1 === 2;
  const ink = color(isUnknown ? "unknown" : "fail");
  pen.globalAlpha = 0.22;
  line([[x, y], [across(called[row] + lasted[row]), y]], ink);
  pen.globalAlpha = 0.9;
  if (isUnknown) line([[x - 3.5, y], [x, y - 3.5], [x + 3.5, y], [x, y + 3.5], [x - 3.5, y]], ink);
  else {
    line([[x - 3, y - 3], [x + 3, y + 3]], ink);
    line([[x - 3, y + 3], [x + 3, y - 3]], ink);
  }
  pen.globalAlpha = 1;
};

const drawLane = (lane, number) => {
  const name = isNarrow() ? SIZE.name : 0;
  const y = laneTop(number) + name;
  if (name) write(lane.name, gutter, y - SIZE.name / 2 + 2, { most: wide(), halo: true });
  else write(lane.name, gutter - 10, y + SIZE.lane / 2, { align: "right", most: gutter - 14 });
  within(high(), () => {
    for (const [from, to, text, tone] of lane.spans) {
      const left = across(from);
      const width = Math.max(across(to) - left, 2);
      pen.fillStyle = color(tone === "plain" ? `lane-${tones.get(text)}` : "lane-bad");
      pen.beginPath();
      pen.roundRect(left + 0.5, y + 3, Math.max(width - 1, 1), SIZE.lane - 6, 4);
      pen.fill();
      const start = Math.max(left, gutter) + 7;
      const most = Math.min(left + width, edge()) - start - 4;
      if (most > 40 || most >= measured(text)) write(text, start, y + SIZE.lane / 2, { ink: "lane-ink", most });
    }
  });
};

// How much of the drill is in view.
const drawWhere = () => {
  if (view.from <= 0 && view.to >= end) return;
  pen.fillStyle = color("line");
  pen.fillRect(gutter, 0, wide(), 4);
  pen.fillStyle = color("soft");
  pen.fillRect(gutter + view.from / end * wide(), 0, Math.max((view.to - view.from) / end * wide(), 3), 4);
};
const drawChoice = () => {
  pen.globalAlpha = 0.16;
  pen.fillStyle = color("focus");
  pen.fillRect(Math.min(drag.start, drag.now), 0, Math.abs(drag.now - drag.start), high());
  pen.globalAlpha = 1;
};

const tell = (seen) => {
  const total = seen.ok + seen.failed + seen.unknown;
  const text = [
    `${clock(view.from, 2)} to ${clock(view.to, 2)}`,
    count(total, total === 1 ? "operation" : "operations"),
    count(seen.failed, "failed"),
    count(seen.unknown, "unknown"),
    seen.ok ? `slowest answer ${time(seen.slowest)}` : "nothing acknowledged",
  ].join(" · ");
  if (element("visible").textContent !== text) element("visible").textContent = text;
};
