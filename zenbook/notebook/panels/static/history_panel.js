// The history panel in the browser. What the kernel says is kept in a store for each panel; views draw it, once a frame.
// Texts of the user only ever become text nodes; pictures and comparisons are HTML that zenbook made and escaped.

import { node } from "./elements.js";
import { HIDDEN, createRunTable, listColumns, matchingRows } from "./history_table.js";
import { createRunSections, createToolbar } from "./history_tools.js";
import { mountPanels } from "./mount_panels.js";

const HEARTBEAT = 10_000; // ms; the kernel stops looking when it hears nothing for three times as long
const stores = new Map();

export default { initialize, render };

function initialize({ model, signal }) {
  const store = storeOf(model), { panel } = model.get("start");
  mountPanels(render, model, panel, signal);
  signal.addEventListener("abort", () => { clearInterval(store.beats); stores.delete(panel); });
}

// --- what is known --------------------------------------------------------------------------------------------------

function storeOf(model) {
  const start = model.get("start");
  if (!stores.has(start.panel)) stores.set(start.panel, makeStore(model, start));
  return stores.get(start.panel);
}

function makeStore(model, start) {
  const store = {
    model, look: start.look, offset: Date.now() / 1000 - start.now, stack: "", production: false, away: "", gone: false,
    exporters: start.exporters,
    wanted: { pipeline: "", state: "", where: "", order: "" }, wrong: "", rows: new Map(), more: false, loading: false, older: false, pipelines: new Set(),
    views: new Set(), seen: new Set(),
    now: () => Date.now() / 1000 - store.offset,
    send: (message) => { if (!store.gone) model.send({ ...message, stack: store.stack }); },
    want(wanted) {
      store.wanted = wanted;
      store.rows.clear();
      store.loading = true;
      store.more = store.older = false;
      store.wrong = "";
      store.send({ ask: "watch", wanted, fresh: true });
      store.views.forEach((view) => view.dirty());
    },
    loadOlder() {
      if (!store.more || store.older || store.loading) return;
      store.older = true;
      store.send({ ask: "page", wanted: store.wanted, offset: store.rows.size, before: [...store.rows.keys()].reduce((a, b) => (a < b ? a : b)) });
      store.views.forEach((view) => view.dirty());
    },
    watch(view, visible) {
      const before = store.seen.size;
      visible ? store.seen.add(view) : store.seen.delete(view);
      if (store.seen.size && !before) store.send({ ask: "watch", wanted: store.wanted });
      if (!store.seen.size && before) store.send({ ask: "rest" });
    },
  };
  take(store, start.first);
  model.on("msg:custom", (message) => receive(store, message));
  model.on("comm_live_update", () => { store.gone = true; store.views.forEach((view) => view.dirty()); });
  store.beats = setInterval(() => { if (store.seen.size) store.send({ ask: "watch", wanted: store.wanted }); }, HEARTBEAT);
  return store;
}

function receive(store, message) {
  if (message.asked?.ask === "page") {
    store.older = false;
    if (message.rows && sameFilter(store, message)) {
      add(store, message.rows);
      store.more = message.more;
    }
  } else if (!message.asked) take(store, message);
  (message.deleted ?? []).forEach((id) => store.rows.delete(id));
  store.views.forEach((view) => { if (message.asked) view.answered(message); view.dirty(); });
}

const sameFilter = (store, { wanted }) => Object.keys(wanted).every((one) => wanted[one] === store.wanted[one]);

function add(store, rows) {
  for (const row of rows) {
    store.rows.set(row.id, row);
    store.pipelines.add(row.pipeline);
  }
}

function take(store, message) {
  if (message.switched) {
    if (message.stack !== store.stack) store.pipelines.clear();
    store.rows.clear();
    [store.stack, store.production] = [message.stack, message.production];
  }
  if (message.away !== undefined) store.away = message.away;
  if (!message.wanted || !sameFilter(store, message)) return;
  store.loading = false;
  store.wrong = message.wrong ?? "";
  if (store.wrong) return;
  const { ids } = message;
  if (ids && store.wanted.order) store.more = message.more || (store.rows.size > ids.length && store.more);
  else if (ids) {
    const there = new Set(ids), end = message.more ? ids.at(-1) : "";
    if (message.more && !ids.some((id) => store.rows.has(id))) store.rows.clear(); // what came between is not here
    for (const id of [...store.rows.keys()]) if (id >= end && !there.has(id)) store.rows.delete(id);
    if (![...store.rows.keys()].some((id) => id < end)) store.more = message.more;
  }
  message.gone.forEach((id) => store.rows.delete(id));
  add(store, message.rows);
}

// --- the view -------------------------------------------------------------------------------------------------------

function render({ model, el }) {
  const store = storeOf(model);
  const root = node("div", "zb-panel zb-history");
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", "History of runs");
  root.dataset.lmSuppressShortcuts = "true"; // arrows and Enter are for the runs, not for the notebook's cells
  const view = { store, text: "", sort: null, hidden: new Set(HIDDEN), shownToo: new Set(), ticked: new Set(), at: "", opened: "" };
  let frame = 0;
  view.dirty = () => { frame ||= requestAnimationFrame(paint); };
  const tools = createToolbar(view), table = createRunTable(view), below = createRunSections(view, table);
  Object.assign(view, { open: below.open, remove: below.remove, compare: below.compare, say: below.say });
  const paint = () => {
    frame = 0;
    for (const id of view.ticked) if (!store.rows.has(id)) view.ticked.delete(id);
    view.columns = listColumns(store, view);
    view.list = matchingRows(view);
    root.classList.toggle("zb-gone", store.gone);
    tools.paint();
    table.paint();
    below.paint();
  };
  view.answered = below.answered;
  root.append(tools.bar, below.question, table.frame, table.foot, below.note, below.opened, below.compared);
  el.append(root);
  store.views.add(view);
  paint();

  let inView = false;
  const look = () => store.watch(view, inView && document.visibilityState === "visible");
  const observer = new IntersectionObserver(([one]) => { inView = one.isIntersecting; look(); });
  observer.observe(root);
  document.addEventListener("visibilitychange", look);
  const clock = setInterval(() => { if (inView) table.tick(); }, 1000);
  return () => {
    clearInterval(clock);
    cancelAnimationFrame(frame);
    observer.disconnect();
    document.removeEventListener("visibilitychange", look);
    store.watch(view, false);
    store.views.delete(view);
    if (view.opened) store.send({ ask: "close" });
  };
}
