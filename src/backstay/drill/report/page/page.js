"use strict";
(() => {
  const element = (name) => document.getElementById(name);
  const drill = JSON.parse(element("drill").textContent);
  const canvas = element("chart");
  const pen = canvas.getContext("2d");
  const tip = element("tip");

  const OUTCOMES = ["ok", "failed", "unknown"];
  const ACTIONS = ["write", "read"];
  const FLOOR = 250; // µs: the lowest line of the scale
  const NARROWEST = 2000; // µs that the closest look spans
  const SIZE = { right: 24, row: 16, chart: 300, axis: 26, lane: 24, name: 16, near: 10, narrow: 640 };
  const SCALES = [[1e3, "1 ms"], [1e4, "10 ms"], [1e5, "100 ms"], [1e6, "1 s"], [1e7, "10 s"]];

  // ---- data ---------------------------------------------------------------------------------

  const sums = (steps) => {
    const found = new Float64Array(steps.length);
    let sum = 0;
    steps.forEach((step, row) => { found[row] = sum += step; });
    return found;
  };
  const rows = drill.operations;
  const called = sums(rows.called_steps);
  const revision = sums(rows.revision_steps);
  const lasted = Float64Array.from(rows.lasted);
  const longest = lasted.reduce((most, one) => Math.max(most, one), 0);
  const end = Math.max(drill.end, 1);
  const ceiling = Math.max(1e6, longest) * 1.3;
  const tones = new Map();
  for (const lane of drill.lanes) {
    for (const [, , text, tone] of lane.spans) {
      if (tone === "plain" && !tones.has(text)) tones.set(text, tones.size % 6);
    }
  }

  // The first row that was called at a moment or later.
  const firstAt = (moment) => {
    let low = 0;
    let high = called.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (called[middle] < moment) low = middle + 1; else high = middle;
    }
    return low;
  };

  // ---- what is shown ------------------------------------------------------------------------

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

  // ---- places -------------------------------------------------------------------------------

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

  // ---- words --------------------------------------------------------------------------------

  const time = (length) => {
    if (length >= 1e6) return `${(length / 1e6).toPrecision(3)} s`;
    if (length >= 1e3) return `${(length / 1e3).toPrecision(3)} ms`;
    return `${length} µs`;
  };
  const clock = (moment, digits = 3) => `${(moment / 1e6).toFixed(digits)} s`;
  const began = Date.parse(drill.began); // NaN where the history says no time of day
  const timeOfDay = (moment) =>
    Number.isNaN(began) ? "" : `, about ${new Date(began + moment / 1e3).toISOString().slice(11, 19)} UTC`;
  const count = (number, noun) => `${number.toLocaleString("en")} ${noun}`;
  const story = (row) => {
    const outcome = OUTCOMES[rows.kind[row] >> 1];
    const error = rows.errors[rows.error[row]];
    return [
      `${drill.clients[rows.client[row]][0]}: ${ACTIONS[rows.kind[row] % 2]} ${rows.keys[rows.key[row]]}`,
      `${outcome}${error ? ` (${error})` : ""} after ${time(lasted[row])}`,
      `called at ${clock(called[row])}${timeOfDay(called[row])}`,
      revision[row] ? `revision ${revision[row]}` : "",
      rows.retried[row] ? `told to try again: ${rows.retried[row]}` : "",
    ].filter(Boolean).join("\n");
  };

  // ---- drawing ------------------------------------------------------------------------------

  const inks = new Map(); // of one drawing: the colours change with the light and on paper
  const color = (name) => {
    if (!inks.has(name)) {
      inks.set(name, getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim());
    }
    return inks.get(name);
  };
  const family = getComputedStyle(document.body).fontFamily;
  const write = (text, x, y, { align = "left", ink = "soft", most = Infinity, weight = "", halo = false } = {}) => {
    pen.font = `${weight} 12px ${family}`;
    pen.textAlign = align;
    pen.textBaseline = "middle";
    pen.fillStyle = color(ink);
    let shown = text;
    while (shown.length > 1 && pen.measureText(shown).width > most) shown = `${shown.slice(0, -2).trimEnd()}…`;
    if (halo) {
      pen.lineWidth = 4;
      pen.lineJoin = "round";
      pen.strokeStyle = color("card");
      pen.strokeText(shown, x, y);
      pen.lineWidth = 1;
    }
    if (pen.measureText(shown).width <= most) pen.fillText(shown, x, y);
    return pen.measureText(shown).width;
  };
  const measured = (text, weight = "") => {
    pen.font = `${weight} 12px ${family}`;
    return pen.measureText(text).width;
  };
  const line = (points, ink, dash = []) => {
    pen.beginPath();
    pen.setLineDash(dash);
    pen.strokeStyle = ink;
    points.forEach(([x, y], number) => (number ? pen.lineTo(x, y) : pen.moveTo(x, y)));
    pen.stroke();
    pen.setLineDash([]);
  };
  const within = (height, act) => {
    pen.save();
    pen.beginPath();
    pen.rect(gutter, 0, wide(), height);
    pen.clip();
    act();
    pen.restore();
  };
  const crisp = (x) => Math.round(x) + 0.5;

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

  // What is written above the plot: the fault first, then whoever began to lead or to hold.
  const wantedLabels = () => {
    const lane = drill.lanes.find((one) => one.name === "fault");
    const faults = (lane ? lane.spans : []).flatMap(([from, to, text]) => [
      { at: from, text: `↓ ${text}`, ink: "fault", weight: "600", always: true },
      { at: to, text: "↓ healed", ink: "good", weight: "600", always: true },
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

  // ---- pointing -----------------------------------------------------------------------------

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
})();
