// What the parts of the panel are drawn with. A part of run_panel.js.

function node(tag, kind = "", text) {
  const made = document.createElement(tag);
  if (kind) made.className = kind;
  if (text !== undefined) made.textContent = text;
  return made;
}

function shape(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// What was done by clicking, as the line that does the same.
function doneLine(line) {
  const row = node("div", "zb-did"), code = node("code", "", line), copy = node("button", "zb-button", "Copy");
  copy.type = "button";
  copy.setAttribute("aria-label", `Copy ${line}`);
  copy.onclick = async () => {
    try {
      await navigator.clipboard.writeText(line);
    } catch { // a page that is not served securely has no clipboard
      getSelection().selectAllChildren(code);
      document.execCommand("copy");
    }
    put(copy, "Copied");
    setTimeout(() => put(copy, "Copy"), 1500);
  };
  row.append(code, copy);
  return row;
}

const pre = (text) => node("pre", "zb-pre", text);
const faint = (text) => node("p", "zb-faint", text);
const linked = (text) => {
  const line = node("p", "zb-faint");
  for (const part of text.split(/(https?:\/\/\S+)/)) {
    const link = /^https?:/.test(part) ? node("a", "", part) : part;
    if (link !== part) Object.assign(link, { href: part, target: "_blank", rel: "noopener" });
    line.append(link);
  }
  return line;
};
const lineCount = (text) => text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
const tally = (steps) => steps.reduce((many, { state }) => ({ ...many, [state]: (many[state] ?? 0) + 1 }), {});
const took = (step) => (step.state === "cached" || step.from == null || step.to == null ? "" : duration(step.to - step.from));

function pairs(rows) {
  const list = node("dl", "zb-pairs");
  for (const [name, value] of rows) list.append(node("dt", "", name), node("dd", "", String(value)));
  return list;
}

function counted([done, total, label]) {
  return [label, total ? `${done} of ${total}` : done || ""].filter(Boolean).join(" ");
}

function share(progress) {
  if (!progress) return null;
  const [done, total, label] = progress;
  if (total) return Math.min(1, done / total);
  const bar = label.match(/(\d{1,3})%\|/); // as tqdm writes it
  return bar ? Math.min(1, bar[1] / 100) : null;
}

function mark(element, look, state) {
  if (element.dataset.state === state) return element;
  element.dataset.state = state;
  const svg = shape("svg", { viewBox: "-8 -8 16 16", width: 14, height: 14, "aria-hidden": "true" });
  const group = shape("g", { class: "zb-icon" });
  icon(group, look, state);
  svg.append(group);
  element.replaceChildren(svg);
  return element;
}

function icon(group, look, state) {
  group.dataset.state = state;
  const ground = shape("circle", { r: state === "pending" ? 6.2 : 7, class: state === "pending" ? "zb-hollow" : "", fill: look.colours[state] });
  group.innerHTML = state === "pending" ? "" : look.paths[state]; // zenbook's own drawing
  group.prepend(ground);
}

// As `duration` in zenbook/runs/table.py; of what goes on, whole seconds.
function duration(seconds, going = false) {
  seconds = Math.max(0, seconds);
  if (going && seconds < 59.5) return `${Math.floor(seconds)} s`;
  if (seconds < 0.00995) return `${(seconds * 1000).toFixed(1)} ms`;
  if (seconds < 0.9995) return `${(seconds * 1000).toFixed(0)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 59.5) return `${seconds.toFixed(0)} s`;
  const two = (value) => String(value).padStart(2, "0"), whole = Math.round(seconds), minutes = Math.round(seconds / 60), hours = Math.round(seconds / 3600);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
  return `${Math.floor(hours / 24)} d ${two(hours % 24)} h`;
}
