// The table of runs: only the rows that are in sight are in the page.

import { button, closest, duration, find, focused, mark, node, setText } from "./elements.js";

const ROW = 26; // px, as in history_panel.css
const FIXED = [["state", "state"], ["pipeline", "pipeline"], ["id", "run"], ["started", "started"], ["took", "took"], ["stack", "stack"], ["error", "error"]];
export const HIDDEN = ["stack", "error"]; // until they are chosen
const MANY = 10; // columns of values that are shown before any is chosen

export function listColumns(store, view) {
  const found = new Map();
  for (const row of store.rows.values()) for (const key in row.values) found.set(key, (found.get(key) ?? 0) + 1);
  const keys = [...found.keys()].sort((a, b) => (a[0] === b[0] ? found.get(b) - found.get(a) || (a < b ? -1 : 1) : a[0] === "p" ? -1 : 1));
  const title = (key) => key.slice(2) + (found.has((key[0] === "p" ? "m:" : "p:") + key.slice(2)) ? (key[0] === "p" ? " (parameter)" : " (metric)") : "");
  const all = [...FIXED, ...keys.map((key) => [key, title(key)])];
  return all.map(([key, name], at) => ({
    key, name, kind: key.startsWith("p:") ? "parameter" : key.startsWith("m:") ? "metric" : "",
    shown: !view.hidden.has(key) && (at < FIXED.length + MANY || view.shownToo.has(key)),
  }));
}

function cellValue(row, key, store) {
  if (key === "started") return row.from;
  if (key === "took") return row.from == null ? null : (row.to ?? (ended(row) ? row.from : store.now())) - row.from;
  return key[1] === ":" ? row.values[key] : row[key];
}

export const ended = (row) => !["pending", "running"].includes(row.state);

function cellText(row, key, store) {
  const value = cellValue(row, key, store);
  if (value == null) return "";
  if (key === "started") return momentText(value);
  if (key === "took") return duration(value, !ended(row));
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value)) return String(value);
  return Math.abs(value) >= 1e4 && Math.abs(value) < 1e15 ? value.toFixed(0) : String(+value.toPrecision(4));
}

function momentText(seconds) {
  const two = (value) => String(value).padStart(2, "0"), at = new Date(seconds * 1000);
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`, time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  return at.toDateString() === new Date().toDateString() ? time : `${day} ${time.slice(0, 5)}`;
}

// The rows that match the text, in the order that was asked for; without one the newest first.
export function matchingRows({ store, text, sort }) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  let rows = [...store.rows.values()].sort((a, b) => (a.id < b.id ? 1 : -1));
  if (words.length) {
    rows = rows.filter((row) => {
      const params = Object.entries(row.values).filter(([key]) => key[0] === "p").map(([key, value]) => `${key.slice(2)}=${value}`);
      const hay = [row.id, row.pipeline, row.error, ...params].join(" ").toLowerCase();
      return words.every((word) => hay.includes(word));
    });
  }
  if (!sort) return rows;
  const rank = (value) => (value == null || value === "" ? 2 : typeof value === "number" ? 0 : 1);
  return rows.map((row) => [cellValue(row, sort.key, store), row]).sort(([a], [b]) => {
    if (rank(a) !== rank(b)) return rank(a) - rank(b); // what has no value comes last, whichever way
    const order = typeof a === "number" ? a - b : String(a ?? "").localeCompare(String(b ?? ""));
    return sort.down ? -order : order;
  }).map(([, row]) => row);
}

export function createRunTable(view) {
  const { store } = view;
  const frame = node("div", "zb-runs"), table = node("table"), cols = node("colgroup"), head = node("thead"), body = node("tbody"), foot = node("div", "zb-foot");
  table.setAttribute("aria-multiselectable", "true");
  table.setAttribute("role", "grid");
  table.setAttribute("aria-label", "Runs");
  frame.tabIndex = -1;
  frame.append(table);
  table.append(cols, head, body);
  const drawn = new Map(); // run → its row in the page and what it says
  const summary = node("span", "zb-faint"), older = button("Load older", () => store.loadOlder(), "zb-older");
  const all = button("Sort all", () => store.want({ ...store.wanted, order: (view.sort.down ? "-" : "") + view.sort.key }));
  all.title = "Sort all runs, not only those that are loaded";
  foot.setAttribute("role", "status");
  foot.append(summary, older, all);
  let shape = "", numeric = new Set();

  const shown = () => view.columns.filter((one) => one.shown);
  const layOut = () => {
    const some = view.list.slice(0, 200), keys = shown();
    numeric = new Set(keys.filter(({ key }) => key === "took" || (key[1] === ":" && some.every((row) => [undefined, null].includes(row.values[key]) || typeof row.values[key] === "number"))).map(({ key }) => key));
    const widths = keys.map(({ key, name }) => {
      const longest = some.reduce((most, row) => Math.max(most, cellText(row, key, store).length), 0);
      return Math.min(key === "error" ? 60 : 30, Math.max(longest + (key === "state" ? 4 : 0), name.length + 1, key === "took" ? 7 : 3));
    });
    const now = JSON.stringify([keys, widths, [...numeric], view.sort]);
    if (now === shape) return;
    shape = now;
    drawn.clear();
    const tickColumn = node("col");
    tickColumn.style.width = "30px";
    cols.replaceChildren(tickColumn, ...widths.map((width) => { const col = node("col"); col.style.width = `calc(${width * 0.94}ch + 18px)`; return col; }));
    table.style.width = `calc(${widths.reduce((sum, width) => sum + width * 0.94, 0)}ch + ${30 + 18 * widths.length}px)`;
    const held = head.contains(focused()) ? focused().dataset.key : null;
    const line = node("tr"), corner = node("th");
    corner.setAttribute("aria-label", "Ticked");
    line.append(corner, ...keys.map(headOf));
    head.replaceChildren(line);
    if (held) find(head, `[data-key="${CSS.escape(held)}"]`)?.focus({ preventScroll: true });
  };
  const headOf = ({ key, name, kind }) => {
    const cell = node("th", numeric.has(key) ? "zb-right" : ""), sorter = node("button", "zb-sort", name), down = view.sort?.down;
    const mine = view.sort?.key === key;
    if (mine) sorter.append(node("i", "", down ? " ▾" : " ▴"));
    cell.setAttribute("aria-sort", mine ? (down ? "descending" : "ascending") : "none");
    sorter.dataset.key = key;
    sorter.title = `${kind ? `${kind} ` : ""}${name}: sort${mine && !down ? " as they came" : ""}`;
    sorter.onclick = () => {
      view.sort = !mine ? { key, down: true } : down ? { key, down: false } : null;
      frame.scrollTop = 0;
      if (store.wanted.order) store.want({ ...store.wanted, order: view.sort ? (view.sort.down ? "-" : "") + key : "" });
      view.dirty();
    };
    cell.append(sorter);
    return cell;
  };

  const rowOf = (row, at) => {
    const ticked = view.ticked.has(row.id), known = drawn.get(row.id), says = JSON.stringify(row) + ticked;
    const line = known?.says === says ? known.line : fill(known?.line ?? node("tr"), row, ticked);
    drawn.set(row.id, { line, says });
    line.tabIndex = row.id === view.at ? 0 : -1;
    line.setAttribute("aria-rowindex", at + 2);
    line.classList.toggle("zb-open", row.id === view.opened);
    return line;
  };
  const fill = (line, row, ticked) => {
    line.dataset.run = row.id;
    line.dataset.state = row.state;
    line.setAttribute("aria-selected", ticked);
    line.setAttribute("aria-label", `${row.pipeline} ${row.id}, ${row.state}`);
    const tick = node("input"), first = node("td");
    tick.type = "checkbox";
    tick.checked = ticked;
    tick.tabIndex = -1;
    tick.setAttribute("aria-label", `Tick ${row.id}`);
    first.append(tick);
    line.replaceChildren(first, ...shown().map(({ key }) => {
      const text = cellText(row, key, store), cell = node("td", numeric.has(key) ? "zb-right" : "");
      if (key === "state") {
        const sign = mark(node("span", "zb-sign"), store.look, row.state);
        cell.append(sign, " ", text);
        if (row.error) cell.title = row.error;
      } else cell.textContent = text;
      if (key === "id") cell.className = "zb-id";
      cell.dataset.key = key;
      if (key === "started" && row.from) cell.title = new Date(row.from * 1000).toLocaleString();
      else if (text.length > 26) cell.title = text;
      return cell;
    }));
    return line;
  };
  const spacer = (rows) => { const line = node("tr"); line.style.height = `${rows * ROW}px`; line.setAttribute("aria-hidden", "true"); return line; };

  const draw = () => {
    const { list } = view, sight = Math.ceil((frame.clientHeight || 420) / ROW);
    if (!list.some((row) => row.id === view.at)) view.at = list[0]?.id ?? "";
    const first = Math.max(0, Math.min(Math.floor(frame.scrollTop / ROW) - 8, list.length - sight)), last = Math.min(list.length, first + sight + 16);
    const held = body.contains(focused()) ? focused().closest("tr").dataset.run : null;
    const lines = list.slice(first, last).map((row, at) => rowOf(row, first + at));
    const now = [...body.rows].filter((line) => line.dataset.run), same = now.length === lines.length && now.every((one, at) => one === lines[at]);
    const top = frame.scrollTop; // lost where somebody measures while the row with the focus is away
    if (!same || body.dataset.all !== `${first} ${list.length}`) body.replaceChildren(...(first ? [spacer(first)] : []), ...lines, ...(last < list.length ? [spacer(list.length - last)] : []));
    body.dataset.all = `${first} ${list.length}`;
    if (frame.scrollTop !== top) frame.scrollTop = top;
    for (const id of drawn.keys()) if (drawn.size > 300 && !list.slice(first, last).some((row) => row.id === id)) drawn.delete(id);
    if (held && !body.contains(document.activeElement)) (drawn.get(held)?.line.isConnected ? drawn.get(held).line : frame).focus({ preventScroll: true });
  };
  const paint = () => {
    layOut();
    table.setAttribute("aria-rowcount", view.list.length + 1);
    draw();
    const { size } = store.rows, filtered = view.text.trim();
    const none = store.loading ? "Looking…" : store.wrong ? "" : store.wanted.pipeline || store.wanted.state || store.wanted.where ? "No runs match this filter." : "There are no runs yet.";
    const count = filtered ? `${view.list.length} of ${size.toLocaleString("en")} loaded runs` : `${size.toLocaleString("en")} run${size === 1 ? "" : "s"}${store.more ? " loaded" : ""}`;
    const sorted = view.sort && !store.wanted.order;
    const within = store.wanted.order && store.more ? ", the first of all runs in this order" : (sorted || filtered) && store.more ? `; ${[sorted && "sorted", filtered && "searched"].filter(Boolean).join(" and ")} among these, and there are older ones` : store.more ? ", and there are older ones" : "";
    setText(summary, size ? count + within : none);
    older.hidden = !store.more;
    all.hidden = !(sorted && store.more);
    older.disabled = store.older;
    setText(older, store.older ? "Loading…" : store.wanted.order ? "Load more" : "Load older");
  };
  const go = (to) => {
    const at = Math.max(0, Math.min(view.list.length - 1, to)), row = view.list[at];
    if (!row) return;
    view.at = row.id;
    const room = frame.clientHeight - head.offsetHeight - 16;
    if (at * ROW < frame.scrollTop) frame.scrollTop = at * ROW;
    else if ((at + 1) * ROW > frame.scrollTop + room) frame.scrollTop = (at + 1) * ROW - room;
    draw();
    drawn.get(row.id).line.focus({ preventScroll: true });
  };
  const tick = (id) => { view.ticked.has(id) ? view.ticked.delete(id) : view.ticked.add(id); view.at = id; view.dirty(); };

  frame.onscroll = () => {
    draw();
    // Sorted or searched rows don't grow under the reader's eyes: there the button loads more.
    if (!view.sort && !view.text.trim() && frame.scrollTop + frame.clientHeight > frame.scrollHeight - 12 * ROW) store.loadOlder();
  };
  body.addEventListener("focusin", (event) => { // by Tab, too
    const id = closest(event, "tr")?.dataset.run;
    if (!id || id === view.at) return;
    view.at = id;
    for (const line of body.rows) if (line.dataset.run) line.tabIndex = line.dataset.run === id ? 0 : -1;
  });
  frame.onclick = (event) => {
    const id = closest(event, "tr[data-run]")?.dataset.run;
    if (!id) return;
    const first = closest(event, "td:first-child");
    if (first) {
      tick(id);
      closest(event, "tr")?.focus({ preventScroll: true });
    } else if (!String(getSelection())) view.open(id);
  };
  frame.onkeydown = (event) => {
    if (closest(event, "thead")) return;
    const at = view.list.findIndex((row) => row.id === view.at), sight = Math.floor(frame.clientHeight / ROW) - 2;
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + sight, PageUp: at - sight, Home: 0, End: view.list.length - 1 }[event.key];
    if (to !== undefined) go(to);
    else if (event.key === "Enter" && view.at) view.open(view.at);
    else if (event.key === " " && view.at) tick(view.at);
    else if (event.key === "Delete" && view.at) view.remove(view.ticked.size ? [...view.ticked] : [view.at]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return {
    frame, foot, paint,
    focus: () => go(view.list.findIndex((row) => row.id === view.at)),
    tick() { // what goes on takes longer and longer
      for (const line of body.rows) {
        if (line.dataset.state !== "running") continue;
        const row = store.rows.get(line.dataset.run), cell = line.querySelector("[data-key=took]");
        if (row && cell && !store.gone) setText(cell, cellText(row, "took", store));
      }
    },
  };
}
