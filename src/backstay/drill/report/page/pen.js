// How a colour, a text and a line come onto the canvas.

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
