// The run panel in the browser. What the kernel says is kept in a store for each panel; views draw what has changed,
// once a frame. Texts of the user only ever become text nodes.

import { ENDED, countStates, duration, mark, node, progressText, setText, share } from "./elements.js";
import { mountPanels } from "./mount_panels.js";
import { createGraph } from "./run_graph.js";
import { ACK, createStepDetails } from "./step_details.js";

const GOING = ["pending", "running"]; // of a run
const SAID = { succeeded: "ran", pending: "to come" };
const BUSY_ACK = 5000; // the same for a kernel that can answer while a cell is running: it is only slow, and two interrupts are one too many
const stores = new Map();

export default { initialize, render };

function initialize({ model, signal }) {
  const store = storeOf(model), { panel } = store.start;
  store.send({ ask: "state" }); // so the kernel knows that a page shows the panel
  mountPanels(render, model, panel, signal, () => store.picture);
  signal.addEventListener("abort", () => { store.over = true; stores.delete(panel); });
}

// --- what is known --------------------------------------------------------------------------------------------------

function storeOf(model) {
  const start = model.get("start");
  if (!stores.has(start.panel)) stores.set(start.panel, makeStore(model, start));
  return stores.get(start.panel);
}

function makeStore(model, start) {
  const store = {
    start, views: new Set(), details: new Map(), run: ["pending", null, null, ""], metrics: [], tail: null, tails: new Map(),
    steps: start.steps.map(([name]) => ({ name, state: "pending", from: null, to: null, attempt: 0, error: "" })),
    offset: Date.now() / 1000 - start.now, cancelling: false, gone: false, over: false, picture: "",
    send: (message) => model.send(message),
    elapsed: () => Date.now() / 1000 - store.offset,
  };
  take(store, start.state);
  model.on("msg:custom", (message) => receive(store, message));
  model.on("comm_live_update", () => { store.gone = true; store.views.forEach((view) => view.lost()); });
  return store;
}

function receive(store, message) {
  if (message.picture) { store.picture = message.picture; return; }
  if (message.asked) return store.views.forEach((view) => view.answered(message));
  const changed = take(store, message);
  store.views.forEach((view) => view.dirty(changed));
}

function take(store, patch) {
  const changed = new Set();
  for (const [key, value] of Object.entries(patch ?? {})) {
    if (key === "r") store.run = value;
    else if (key === "m") store.metrics = value;
    else if (key === "l") store.tails.set(value[0], store.tail = value);
    else for (const [index, one] of Object.entries(value)) {
      const step = store.steps[index];
      if (!step) continue;
      changed.add(+index);
      if (key === "s") {
        [step.state, step.from, step.to, step.attempt] = one;
        if (step.state !== "running") step.progress = null;
      } else if (key === "e") step.error = one;
      else if (key === "p") step.progress = step.state === "running" ? one : null;
    }
  }
  return changed;
}

// --- the view -------------------------------------------------------------------------------------------------------

function render({ model, el }) {
  const store = storeOf(model);
  const { start } = store;
  const root = node("div", "zb-panel" + (start.small ? " zb-small" : ""));
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", start.small ? `Step ${start.steps[0]?.[0]}` : `Run ${start.pipeline} ${start.run}`);
  root.dataset.lmSuppressShortcuts = "true"; // arrows and Enter are for the steps, not for the notebook's cells
  const head = header(store, root);
  const graph = start.small ? null : createGraph(store, (index) => details.open(index));
  const tail = node("div", "zb-tail");
  const details = createStepDetails(store, (index) => graph?.focus(index));
  root.append(head.bar, head.track, ...(graph ? [graph.frame, tail, details.section] : [tail]));
  el.append(root);

  let waiting = new Set(), frame = 0;
  const paint = () => {
    frame = 0;
    head.paint();
    graph?.paint(waiting);
    details.refresh(waiting);
    paintTail(store, tail);
    waiting = new Set();
  };
  const view = {
    dirty(changed) { changed.forEach((one) => waiting.add(one)); frame ||= requestAnimationFrame(paint); },
    answered(message) { message.asked.ask === "cancel" ? head.answered(message) : details.answered(message); },
    lost() { head.lost(); },
  };
  store.views.add(view);
  view.dirty(new Set(store.steps.keys()));
  const clock = setInterval(() => { head.tick(); graph?.tick(); details.tick(); }, 500);
  return () => { clearInterval(clock); cancelAnimationFrame(frame); store.views.delete(view); };
}

function header(store, root) {
  const { start } = store;
  const bar = node("div", "zb-head"), sign = node("span", "zb-sign"), time = node("span", "zb-time");
  const state = node("span", "zb-state"), counts = node("span", "zb-counts"), note = node("div", "zb-note");
  const title = node("b", "", start.small ? start.steps[0]?.[0] : start.pipeline);
  const cancel = node("button", "zb-button", "Cancel");
  cancel.setAttribute("aria-label", `Cancel ${start.small ? "the step" : "run " + start.run}`);
  cancel.onclick = () => cancelRun(store, cancel, note);
  const left = node("div", "zb-left");
  left.append(sign, title, ...(start.small ? [] : [node("code", "", start.run)]), state, time, counts);
  bar.append(left, cancel);
  const facts = node("div", "zb-facts");
  note.setAttribute("role", "status");
  const track = node("div", "zb-progress"), lines = node("div");
  track.setAttribute("role", "progressbar");
  track.setAttribute("aria-label", "Steps that have ended");
  track.setAttribute("aria-valuemin", "0");
  lines.append(track, facts, note);

  const tick = () => {
    const [now, from, to] = store.run;
    const step = start.small ? store.steps[0] : null;
    const begun = step ? step.from : from;
    setText(time, begun == null || store.gone ? "" : duration((to ?? store.elapsed()) - begun, to == null));
    setText(state, now);
  };
  const paint = () => {
    const [now, , , error] = store.run;
    mark(sign, start.look, start.small ? store.steps[0].state : now);
    tick();
    const many = countStates(store.steps);
    setText(facts, [start.facts, ...store.metrics].filter(Boolean).join(" · "));
    if (error) setText(note, error);
    note.style.color = error ? start.look.colours.failed : "";
    if (!start.small) {
      counts.replaceChildren(...[...ENDED, "running", "pending"].filter((one) => many[one]).map((one) => {
        const count = node("span", "zb-count", `${many[one]} ${SAID[one] ?? one}`);
        count.prepend(mark(node("span", "zb-sign"), start.look, one));
        return count;
      }));
      counts.setAttribute("aria-label", `${store.steps.length} steps`);
    }
    const ended = store.steps.filter((one) => ENDED.includes(one.state)).length;
    const inner = store.steps.reduce((sum, one) => sum + (share(one.progress) ?? 0), 0);
    const parts = ENDED.filter((one) => many[one]).map((one) => [one, many[one]]);
    if (inner) parts.push(["running", inner]);
    track.hidden = start.small && !inner;
    track.setAttribute("aria-valuemax", store.steps.length);
    track.setAttribute("aria-valuenow", ended);
    track.replaceChildren(...parts.map(([one, count]) => {
      const part = node("i");
      part.style.width = `${(100 * count) / store.steps.length}%`;
      part.style.background = start.look.colours[one];
      return part;
    }));
    cancel.hidden = store.gone || !GOING.includes(now);
  };
  return {
    bar, track: lines, paint, tick,
    answered(message) {
      store.cancelling = "acknowledged";
      if (!message.error) return;
      setText(note, message.error);
      cancel.disabled = store.cancelling = false;
      setText(cancel, "Cancel");
    },
    lost() {
      cancel.hidden = true;
      root.classList.add("zb-gone");
      setText(note, `The kernel has stopped, so this panel shows the run's last state. See its current state: %zen show ${start.run}`);
      tick();
    },
  };
}

async function cancelRun(store, button, note) {
  button.disabled = true;
  setText(button, "Cancelling…");
  store.cancelling = "asked";
  store.send({ ask: "cancel" });
  await new Promise((done) => setTimeout(done, store.start.hears ? BUSY_ACK : ACK));
  // Do not interrupt what has ended meanwhile: the interrupt would hit whatever runs next.
  if (store.cancelling !== "asked" || !store.start.here || store.over || store.gone || !GOING.includes(store.run[0])) return;
  // A kernel that cannot answer while a cell is running is interrupted by its server, as by the stop button.
  const config = JSON.parse(document.getElementById("jupyter-config-data")?.textContent || "{}");
  const base = config.baseUrl ?? document.body.dataset.baseUrl ?? "/";
  const crossing = document.cookie.match(/(?:^|; )_xsrf=([^;]*)/)?.[1];
  const headers = { ...(crossing && { "X-XSRFToken": crossing }), ...(config.token && { Authorization: `token ${config.token}` }) };
  try {
    const reply = await fetch(`${base}api/kernels/${store.start.kernel}/interrupt`, { method: "POST", headers });
    if (!reply.ok) throw new Error(reply.statusText);
  } catch {
    setText(note, "The server could not interrupt the kernel. Use the stop button.");
    button.disabled = false;
    setText(button, "Cancel");
  }
}

function paintTail(store, element) {
  const running = store.steps.findIndex((one) => one.state === "running");
  const index = running >= 0 ? running : store.tail?.[0];
  const step = store.steps[index];
  const lines = [];
  if (store.tail && store.tail[0] === index) lines.push(...store.tail[2].split("\n"));
  if (step?.progress) lines.push(progressText(step.progress));
  element.hidden = !lines.some(Boolean);
  if (element.hidden) return;
  const key = `${index} ${lines.join("\n")}`;
  if (element.dataset.key === key) return;
  element.dataset.key = key;
  const shown = lines.slice(-3).map((line) => node("div", "zb-line", line));
  element.replaceChildren(...(store.start.small ? [] : [node("span", "zb-speaker", step.name)]), ...shown);
}
