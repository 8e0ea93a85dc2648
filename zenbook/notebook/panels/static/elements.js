// What the panels are drawn with.

const SVG = "http://www.w3.org/2000/svg";
export const ENDED = ["succeeded", "cached", "failed", "crashed", "cancelled", "skipped"]; // states of steps that have ended

/**
 * An element of a class, with a text in it.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} [kind] the class; several with spaces between
 * @param {string} [text]
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function node(tag, kind = "", text) {
  const element = document.createElement(tag);
  if (kind) element.className = kind;
  if (text !== undefined) element.textContent = text;
  return element;
}

/**
 * An SVG element with attributes.
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | number>} attributes
 * @returns {SVGElementTagNameMap[Tag]}
 */
export function shape(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}

/** The first element within another that a CSS selector names.
 * @param {Element} element
 * @param {string} selector
 * @returns {any} an HTML element of the selector's tag, or null
 */
export const find = (element, selector) => element.querySelector(selector);

/** The nearest element, from an event's target upwards, that a CSS selector names.
 * @param {Event} event
 * @param {string} selector
 * @returns {HTMLElement | null}
 */
export const closest = (event, selector) => /** @type {Element} */ (event.target).closest(selector);

/** The element that has the focus.
 * @returns {any}
 */
export const focused = () => document.activeElement;

/** Set an element's text where it differs, so that nothing is drawn again.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// What was done by clicking, as the line that does the same.
export function doneLine(line) {
  const row = node("div", "zb-did"), code = node("code", "", line), copy = node("button", "zb-button", "Copy");
  copy.type = "button";
  copy.setAttribute("aria-label", `Copy ${line}`);
  copy.onclick = async () => {
    try {
      await navigator.clipboard.writeText(line);
    } catch { // a page that is not served securely has no clipboard
      getSelection()?.selectAllChildren(code);
      document.execCommand("copy");
    }
    setText(copy, "Copied");
    setTimeout(() => setText(copy, "Copy"), 1500);
  };
  row.append(code, copy);
  return row;
}

export const pre = (text) => node("pre", "zb-pre", text);
export const faint = (text) => node("p", "zb-faint", text);
export const withLinks = (text) => {
  const line = node("p", "zb-faint");
  for (const part of text.split(/(https?:\/\/\S+)/)) {
    const link = /^https?:/.test(part) ? node("a", "", part) : part;
    if (link !== part) Object.assign(link, { href: part, target: "_blank", rel: "noopener" });
    line.append(link);
  }
  return line;
};
export const lineCount = (text) => text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
export const countStates = (steps) => steps.reduce((many, { state }) => ({ ...many, [state]: (many[state] ?? 0) + 1 }), {});
export const timeTaken = (step) => (step.state === "cached" || step.from == null || step.to == null ? "" : duration(step.to - step.from));

export function pairs(rows) {
  const list = node("dl", "zb-pairs");
  for (const [name, value] of rows) list.append(node("dt", "", name), node("dd", "", String(value)));
  return list;
}

export function progressText([done, total, label]) {
  return [label, total ? `${done} of ${total}` : done || ""].filter(Boolean).join(" ");
}

export function share(progress) {
  if (!progress) return null;
  const [done, total, label] = progress;
  if (total) return Math.min(1, done / total);
  const bar = label.match(/(\d{1,3})%\|/); // as tqdm writes it
  return bar ? Math.min(1, bar[1] / 100) : null;
}

export function mark(element, look, state) {
  if (element.dataset.state === state) return element;
  element.dataset.state = state;
  const svg = shape("svg", { viewBox: "-8 -8 16 16", width: 14, height: 14, "aria-hidden": "true" });
  const group = shape("g", { class: "zb-icon" });
  icon(group, look, state);
  svg.append(group);
  element.replaceChildren(svg);
  return element;
}

export function icon(group, look, state) {
  group.dataset.state = state;
  const ground = shape("circle", { r: state === "pending" ? 6.2 : 7, class: state === "pending" ? "zb-hollow" : "", fill: look.colours[state] });
  group.innerHTML = state === "pending" ? "" : look.paths[state]; // zenbook's own drawing
  group.prepend(ground);
}

// As `duration` in zenbook/display/table.py; of what is still running, whole seconds.
export function duration(seconds, going = false) {
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

export function button(text, act, kind = "") {
  const made = node("button", `zb-button ${kind}`, text);
  made.onclick = act;
  return made;
}
