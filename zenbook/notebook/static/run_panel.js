// The run panel in the browser. What the kernel says is kept in a store for each panel; views draw what has changed,
// once a frame. Texts of the user only ever become text nodes.

const SVG = "http://www.w3.org/2000/svg";
const ENDED = ["succeeded", "cached", "failed", "crashed", "cancelled", "skipped"];
const SAID = { succeeded: "ran", pending: "to come" };
const ACK = 1200; // ms to wait for the kernel before the server is asked to interrupt it
const LINES = 2000; // of a log that are kept on the page
const stores = new Map();

export default { initialize: ({ model }) => void storeOf(model), render };

// --- what is known --------------------------------------------------------------------------------------------------

function storeOf(model) {
  const start = model.get("start");
  if (!stores.has(start.panel)) stores.set(start.panel, makeStore(model, start));
  return stores.get(start.panel);
}

function makeStore(model, start) {
  const store = {
    start, views: new Set(), details: new Map(), run: ["pending", null, null, ""], metrics: [], tail: null,
    steps: start.steps.map(([name]) => ({ name, state: "pending", from: null, to: null, attempt: 0, error: "" })),
    offset: Date.now() / 1000 - start.now, cancelling: false, gone: false,
    send: (message) => model.send(message),
    elapsed: () => Date.now() / 1000 - store.offset,
  };
  take(store, start.state);
  model.on("msg:custom", (message) => receive(store, message));
  model.on("comm_live_update", () => { store.gone = true; store.views.forEach((view) => view.lost()); });
  return store;
}

function receive(store, message) {
  if (message.asked) return store.views.forEach((view) => view.answered(message));
  const changed = take(store, message);
  store.views.forEach((view) => view.dirty(changed));
}

function take(store, patch) {
  const changed = new Set();
  for (const [key, value] of Object.entries(patch ?? {})) {
    if (key === "r") store.run = value;
    else if (key === "m") store.metrics = value;
    else if (key === "l") store.tail = value;
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
  const graph = start.small ? null : graphOf(store, (index) => details.open(index));
  const tail = node("div", "zb-tail");
  const details = detailsOf(store, (index) => graph.focus(index));
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
    put(time, begun == null || store.gone ? "" : duration((to ?? store.elapsed()) - begun, to == null));
    put(state, now);
  };
  const paint = () => {
    const [now, , , error] = store.run;
    mark(sign, start.look, start.small ? store.steps[0].state : now);
    tick();
    const many = tally(store.steps);
    put(facts, [start.facts, ...store.metrics].filter(Boolean).join(" · "));
    if (error) put(note, error);
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
    cancel.hidden = store.gone || !["pending", "running"].includes(now);
  };
  return {
    bar, track: lines, paint, tick,
    answered(message) {
      store.cancelling = "acknowledged";
      if (!message.sorry) return;
      put(note, message.sorry);
      cancel.disabled = store.cancelling = false;
      put(cancel, "Cancel");
    },
    lost() {
      cancel.hidden = true;
      root.classList.add("zb-gone");
      put(note, `The kernel is gone, so this shows how it was. See the run as it is: %zen show ${start.run}`);
      tick();
    },
  };
}

async function cancelRun(store, button, note) {
  button.disabled = true;
  put(button, "Cancelling…");
  store.cancelling = "asked";
  store.send({ ask: "cancel" });
  await new Promise((done) => setTimeout(done, ACK));
  if (store.cancelling !== "asked" || !store.start.here) return;
  // A kernel that hears no messages while a cell runs is interrupted by its server, as by the stop button.
  const config = JSON.parse(document.getElementById("jupyter-config-data")?.textContent || "{}");
  const base = config.baseUrl ?? document.body.dataset.baseUrl ?? "/";
  const crossing = document.cookie.match(/(?:^|; )_xsrf=([^;]*)/)?.[1];
  const headers = { ...(crossing && { "X-XSRFToken": crossing }), ...(config.token && { Authorization: `token ${config.token}` }) };
  try {
    const reply = await fetch(`${base}api/kernels/${store.start.kernel}/interrupt`, { method: "POST", headers });
    if (!reply.ok) throw new Error(reply.statusText);
  } catch {
    put(note, "The server did not interrupt the kernel: use the stop button.");
    button.disabled = false;
    put(button, "Cancel");
  }
}

function paintTail(store, element) {
  const running = store.steps.findIndex((one) => one.state === "running");
  const index = running >= 0 ? running : store.tail?.[0];
  const step = store.steps[index];
  const lines = [];
  if (store.tail && store.tail[0] === index) lines.push(...store.tail[2].split("\n"));
  if (step?.progress) lines.push(counted(step.progress));
  element.hidden = !lines.some(Boolean);
  if (element.hidden) return;
  const key = `${index} ${lines.join("\n")}`;
  if (element.dataset.key === key) return;
  element.dataset.key = key;
  const shown = lines.slice(-3).map((line) => node("div", "zb-line", line));
  element.replaceChildren(...(store.start.small ? [] : [node("span", "zb-speaker", step.name)]), ...shown);
}

// --- the graph ------------------------------------------------------------------------------------------------------

function graphOf(store, open) {
  const { start } = store;
  const [width, height] = start.size, [wide, high] = start.box;
  const frame = node("div", "zb-frame"), scroll = node("div", "zb-scroll"), tools = node("div", "zb-tools");
  const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": "Steps" });
  svg.append(
    shape("path", { d: start.lines, class: "zb-wire" }),
    shape("path", { d: start.heads, class: "zb-head-of-wire" }),
  );
  const boxes = start.steps.map(([name, shown, x, y], index) => {
    const box = shape("g", { class: "zb-box", role: "button", tabindex: 0, transform: `translate(${x} ${y})` });
    box.dataset.step = name;
    const rect = shape("rect", { x: 0.5, y: 0.5, width: wide - 1, height: high - 1, rx: 7 });
    const sign = shape("g", { transform: `translate(16 ${high / 2})`, class: "zb-icon" });
    const title = shape("text", { x: 29, y: 17 }), second = shape("text", { x: 29, y: 31, class: "zb-second" });
    const rail = shape("rect", { x: 8, y: high - 5, width: wide - 16, height: 2.5, rx: 1.2, class: "zb-rail" });
    const done = shape("rect", { x: 8, y: high - 5, width: 0, height: 2.5, rx: 1.2, class: "zb-done" });
    title.textContent = shown;
    box.append(rect, sign, title, second, rail, done);
    box.onclick = () => open(index);
    svg.append(box);
    return { box, sign, second, rail, done, state: "" };
  });
  svg.onkeydown = (event) => {
    const at = boxes.findIndex(({ box }) => box === document.activeElement);
    if (at < 0) return;
    if (event.key === "Enter" || event.key === " ") open(at);
    else {
      const next = neighbour(start.steps, at, event.key);
      if (next == null) return;
      boxes[next].box.focus();
      boxes[next].box.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
    event.preventDefault();
    event.stopPropagation();
  };
  scroll.append(svg);
  frame.append(scroll, tools);

  let scale = 0, chosen = false, touched = false;
  const fit = () => Math.min(1, Math.max(0.72, (scroll.clientWidth - 2) / width));
  const zoom = (to) => {
    scale = Math.min(2, Math.max(0.3, to));
    svg.setAttribute("width", width * scale);
    svg.setAttribute("height", height * scale);
    const fits = width * scale <= scroll.clientWidth + 2 && height * scale <= 422;
    tools.hidden = !chosen && fits;
  };
  for (const [sign, words, to] of [["−", "Smaller", () => scale / 1.2], ["+", "Larger", () => scale * 1.2],
    ["Fit", "Fit to the width", () => Math.min(1, (scroll.clientWidth - 2) / width)]]) {
    const button = node("button", "zb-tool", sign);
    button.setAttribute("aria-label", words);
    button.title = words;
    button.onclick = () => { chosen = true; zoom(to()); };
    tools.append(button);
  }
  new ResizeObserver(() => {
    if (chosen || !scroll.clientWidth) return;
    zoom(fit());
    const running = store.steps.findIndex(({ state }) => state === "running");
    if (running >= 0 && !touched) follow(running);
  }).observe(scroll);
  for (const kind of ["wheel", "pointerdown", "focusin"]) scroll.addEventListener(kind, () => { touched = true; });

  const words = (step) => {
    if (step.state === "running") {
      const far = share(step.progress);
      if (step.progress && far == null && step.progress[0]) return `running, ${step.progress[0]}`;
      if (far != null) return `running, ${Math.round(100 * far)} %`;
      return step.from == null || store.gone ? "running" : duration(store.elapsed() - step.from, true);
    }
    return took(step) ? took(step) + (step.attempt > 1 ? ` ×${step.attempt}` : "") : step.state;
  };
  const paint = (changed) => {
    if (!scale && scroll.clientWidth) zoom(fit());
    for (const index of changed) {
      const step = store.steps[index], one = boxes[index];
      if (one.state !== step.state) {
        one.state = one.box.dataset.state = step.state;
        one.box.style.setProperty("--zb-state", start.look.colours[step.state]);
        icon(one.sign, start.look, step.state);
      }
      put(one.second, words(step));
      const far = share(step.progress);
      one.rail.style.display = one.done.style.display = far == null ? "none" : "";
      if (far != null) one.done.setAttribute("width", (wide - 16) * far);
      one.box.setAttribute("aria-label", `${step.name}: ${step.state}${took(step) ? " in " + took(step) : ""}`);
      if (step.state === "running" && !touched && !tools.hidden) follow(index);
    }
  };
  const follow = (index) => {
    const [, , x, y] = start.steps[index];
    const left = (x + wide / 2) * scale - scroll.clientWidth / 2, top = (y + high / 2) * scale - scroll.clientHeight / 2;
    scroll.scrollTo({ left, top, behavior: "smooth" });
  };
  return {
    frame, paint,
    tick: () => store.steps.forEach((step, index) => step.state === "running" && put(boxes[index].second, words(step))),
    focus: (index) => boxes[index].box.focus(),
  };
}

function neighbour(steps, at, key) {
  const way = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[key];
  if (key === "Home") return 0;
  if (key === "End") return steps.length - 1;
  if (!way) return null;
  const [, , x, y] = steps[at];
  let best = null, least = Infinity;
  steps.forEach(([, , left, top], index) => {
    const along = (left - x) * way[0] + (top - y) * way[1], across = Math.abs((left - x) * way[1]) + Math.abs((top - y) * way[0]);
    if (along > 1 && along + 3 * across < least) [best, least] = [index, along + 3 * across];
  });
  return best;
}

// --- the details of a step ------------------------------------------------------------------------------------------

function detailsOf(store, focusStep) {
  const { start } = store;
  const section = node("section", "zb-details");
  section.hidden = true;
  const sign = node("span", "zb-sign"), name = node("b"), told = node("span", "zb-told");
  const close = node("button", "zb-button zb-close", "×"), tabs = node("div", "zb-tabs"), body = node("div", "zb-body");
  close.setAttribute("aria-label", "Close the details");
  tabs.setAttribute("role", "tablist");
  body.setAttribute("role", "tabpanel");
  body.tabIndex = 0;
  const head = node("div", "zb-head");
  head.append(sign, name, told, close);
  section.append(head, tabs, body);
  let at = -1, tab = "", facts = null, log = null, busy = false, late = false, state = "";

  const ask = (what, more) => store.send({ ask: what, step: store.steps[at].name, ...more });
  const askDetails = () => {
    ask("details");
    setTimeout(() => { if (at >= 0 && !facts) { late = true; content(); } }, ACK);
  };
  const askLog = (first) => { if (!busy) { busy = true; ask("log", { first }); setTimeout(() => { busy = false; }, 3000); } };
  const kinds = () => [
    ...(facts?.traceback || store.steps[at].state === "failed" ? ["Error"] : []),
    "Log", "Outputs", "Inputs", "Parameters", "Code",
  ];
  const count = (kind) => facts?.[{ Outputs: "outputs", Inputs: "inputs", Parameters: "params" }[kind]]?.length || null;

  const open = (index) => {
    at = index;
    [facts, log, busy, late, state] = [null, null, false, false, store.steps[at].state];
    tab = store.steps[at].state === "failed" ? "Error" : tab && kinds().includes(tab) ? tab : "Log";
    section.hidden = false;
    section.setAttribute("aria-label", `Step ${store.steps[at].name}`);
    put(name, store.steps[at].name);
    askDetails();
    askLog(null);
    paint();
    section.scrollIntoView({ block: "nearest" });
    tabs.querySelector("[aria-selected=true]")?.focus({ preventScroll: true });
  };
  const shut = () => { section.hidden = true; focusStep(at); at = -1; };
  close.onclick = shut;
  section.onkeydown = (event) => { if (event.key === "Escape") { shut(); event.stopPropagation(); } };

  const title = () => {
    const step = store.steps[at];
    mark(sign, start.look, step.state);
    const running = step.state === "running" && step.from != null && !store.gone;
    const time = running ? duration(store.elapsed() - step.from, true) : took(step);
    put(told, [step.state + (time ? (step.state === "succeeded" ? " in " : running ? " for " : " after ") + time : ""),
      step.attempt > 1 && step.state !== "cached" ? `attempt ${step.attempt}` : "", facts?.why || (step.state === "cached" && step.error)].filter(Boolean).join(" · "));
  };
  const paint = () => {
    title();
    const held = tabs.contains(document.activeElement);
    tabs.replaceChildren(...kinds().map((kind) => {
      const one = node("button", "zb-tab", kind + (count(kind) != null ? ` ${count(kind)}` : ""));
      one.setAttribute("role", "tab");
      one.setAttribute("aria-selected", kind === tab);
      one.tabIndex = kind === tab ? 0 : -1;
      one.onclick = () => choose(kind);
      one.onkeydown = (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (!step) return;
        const all = kinds();
        choose(all[(all.indexOf(tab) + step + all.length) % all.length]);
        event.preventDefault();
      };
      return one;
    }));
    if (held) tabs.querySelector("[aria-selected=true]").focus({ preventScroll: true });
    content();
  };
  const choose = (kind) => { tab = kind; paint(); catchUp(); tabs.querySelector("[aria-selected=true]").focus({ preventScroll: true }); };
  const content = () => {
    const step = store.steps[at];
    if (tab === "Log") return showLog();
    if (!facts) return body.replaceChildren(node("p", "zb-faint", tab === "Error" ? step.error : late ? "The kernel is busy: this comes when it is free." : "…"));
    if (tab === "Error") body.replaceChildren(pre(facts.traceback || facts.error || step.error));
    else if (tab === "Code") body.replaceChildren(pre(facts.code || "(not recorded)"));
    else if (tab === "Parameters") body.replaceChildren(facts.params.length ? pairs(facts.params) : faint("It has no parameters."));
    else {
      const many = tab === "Inputs" ? facts.inputs : facts.outputs;
      const none = tab === "Inputs" ? "It takes nothing from other steps." : ENDED.includes(step.state) ? "It made nothing." : "Nothing yet: outputs are stored when the step has ended.";
      body.replaceChildren(...(tab === "Outputs" && facts.metrics.length ? [pairs(facts.metrics)] : []), ...(many.length ? many.map(artifact) : [faint(none)]),
        ...(tab === "Outputs" ? facts.notes.map((note) => faint(`Note: ${note}`)) : []));
    }
  };
  const showLog = () => {
    const step = store.steps[at];
    let text = body.querySelector(".zb-log");
    const fallback = store.tail?.[0] === at ? { first: Math.max(0, store.tail[1] - 3), total: store.tail[1], text: store.tail[2] } : null;
    const shown = log ?? fallback;
    if (!shown?.total) return body.replaceChildren(faint(step.state === "running" ? "It has printed nothing yet." : step.state === "cached" ? "It was served from the cache and printed nothing." : "It printed nothing."));
    const bottom = !text || text.scrollTop + text.clientHeight >= text.scrollHeight - 30;
    if (!text) {
      text = pre("");
      text.classList.add("zb-log");
      text.tabIndex = 0;
      const more = node("button", "zb-button zb-more");
      more.onclick = () => { askLog(Math.max(0, log.first - 500)); };
      body.replaceChildren(more, text);
    }
    const more = body.querySelector(".zb-more");
    more.hidden = !shown.first || !log;
    put(more, `Load earlier lines (${shown.first.toLocaleString("en")} above)`);
    if (text.textContent !== shown.text) text.textContent = shown.text;
    if (bottom) text.scrollTop = text.scrollHeight;
  };
  const catchUp = () => { // by the kernel's last word there is more than what is here
    if (tab !== "Log" || store.tail?.[0] !== at || store.tail[1] <= (log?.total ?? 0)) return;
    const end = log ? log.first + log.count : 0;
    askLog(log && store.tail[1] - end < 500 ? Math.max(log.first, end - 1) : null);
  };
  const merge = (asked, now) => {
    if (!log || asked.first == null || now.first > log.first + log.count) log = { ...now, count: lineCount(now.text) };
    else if (now.first < log.first) { // what is earlier, put before
      const kept = now.text.split("\n").slice(0, log.first - now.first).join("\n");
      log = { first: now.first, total: now.total, text: kept + "\n" + log.text, count: log.count + log.first - now.first };
    } else { // what is newer; the last line may have grown
      const before = log.text.split("\n").slice(0, now.first - log.first);
      log = { first: log.first, total: now.total, text: before.concat(now.text.split("\n")).join("\n"), count: 0 };
      log.count = lineCount(log.text);
    }
    if (log.count > LINES && asked.first !== 0 && now.first >= log.first && asked.first !== log.first) {
      const lines = log.text.split("\n"), drop = log.count - LINES;
      log = { ...log, first: log.first + drop, text: lines.slice(drop).join("\n"), count: LINES };
    }
  };
  return {
    section, open,
    tick: () => { if (at >= 0) title(); },
    refresh(changed) {
      if (at < 0) return;
      if (changed.has(at) && store.steps[at].state !== state) {
        state = store.steps[at].state;
        ask("details");
        busy = false;
        askLog(log ? Math.max(log.first, log.first + log.count - 1) : null);
        paint();
      } else title();
      if (!log && tab === "Log") showLog();
      catchUp();
    },
    answered(message) {
      if (at < 0 || message.asked.step !== store.steps[at].name) return;
      if (message.sorry) return body.replaceChildren(faint(message.sorry));
      if (message.details) { facts = message.details; paint(); }
      if (!message.log) return;
      busy = false;
      merge(message.asked, message.log);
      if (tab === "Log") showLog();
      catchUp();
    },
  };
}

function artifact(one) {
  const box = node("div", "zb-artifact"), head = node("div"), preview = one.preview ?? {};
  head.append(node("b", "", one.name), node("span", "zb-faint", [one.source && `from ${one.source}`, one.type, shapeOf(preview), one.size, one.note].filter(Boolean).join(" · ")));
  box.append(head);
  if (preview.png) {
    const picture = node("img");
    picture.src = `data:image/png;base64,${preview.png}`;
    picture.alt = `Figure ${one.name}`;
    box.append(picture);
  }
  if (preview.columns && preview.rows) box.append(frameTable(preview));
  else if (preview.value !== undefined) box.append(pre(Array.isArray(preview.value) ? `${preview.value.map(brief).join("  ")}  …` : String(preview.value)));
  const numbers = ["min", "max", "mean", "std", "missing"].filter((key) => preview[key] !== undefined);
  if (numbers.length) box.append(node("div", "zb-faint", numbers.map((key) => `${key} ${preview[key]}`).join(" · ")));
  const fields = preview.params ?? preview.fields ?? preview.members;
  if (fields && Object.keys(fields).length) box.append(pairs(Object.entries(fields)));
  return box;
}

function brief(cell) {
  return /^-?\d+\.\d{6,}$/.test(cell) ? String(+Number(cell).toPrecision(6)) : cell;
}

function shapeOf(preview) {
  const shown = Array.isArray(preview.shape) ? preview.shape.map((one) => one.toLocaleString("en")).join(" × ") : "";
  return [shown, preview.dtype].filter(Boolean).join(" ") || (preview.length != null ? `length ${preview.length}` : "");
}

function frameTable(preview) {
  const frame = node("div", "zb-scroll"), table = node("table"), head = node("tr"), kinds = node("tr", "zb-kinds");
  head.append(node("th"), ...preview.columns.map(([name]) => node("th", "", name)));
  kinds.append(node("th"), ...preview.columns.map(([, kind]) => node("th", "", kind)));
  table.append(head, kinds, ...preview.rows.map((row, at) => {
    const line = node("tr");
    line.append(node("th", "", preview.index?.[at] ?? at), ...row.map((cell) => node("td", "", brief(cell))));
    return line;
  }));
  frame.tabIndex = 0;
  frame.append(table);
  return frame;
}

// --- small things ---------------------------------------------------------------------------------------------------

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

const pre = (text) => node("pre", "zb-pre", text);
const faint = (text) => node("p", "zb-faint", text);
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
