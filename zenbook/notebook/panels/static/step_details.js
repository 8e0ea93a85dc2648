// All about one step: its log, artifacts, parameters, code and traceback.

import { ENDED, duration, faint, find, lineCount, mark, node, pairs, pre, setText, timeTaken, withLinks } from "./elements.js";

export const ACK = 1200; // ms to wait for the kernel before the server is asked to interrupt it
const LINES = 2000; // of a log that are kept on the page

export function createStepDetails(store, focusStep) {
  const { start } = store;
  const section = node("section", "zb-details");
  section.hidden = true;
  const sign = node("span", "zb-sign"), name = node("b"), summary = node("span", "zb-caption");
  const close = node("button", "zb-button zb-close", "×"), tabs = node("div", "zb-tabs"), body = node("div", "zb-body");
  close.setAttribute("aria-label", "Close the details");
  tabs.setAttribute("role", "tablist");
  body.setAttribute("role", "tabpanel");
  body.tabIndex = 0;
  const head = node("div", "zb-head");
  head.append(sign, name, summary, close);
  section.append(head, tabs, body);
  let at = -1, tab = "", facts = null, log = null, busy = false, late = false, state = "", grownFor = null;

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
    setText(name, store.steps[at].name);
    askDetails();
    askLog(null);
    paint();
    section.scrollIntoView({ block: "nearest" });
    find(tabs, "[aria-selected=true]")?.focus({ preventScroll: true });
  };
  const shut = () => { section.hidden = true; focusStep(at); at = -1; };
  close.onclick = shut;
  section.onkeydown = (event) => { if (event.key === "Escape") { shut(); event.stopPropagation(); } };

  const title = () => {
    const step = store.steps[at];
    mark(sign, start.look, step.state);
    const running = step.state === "running" && step.from != null && !store.gone;
    const time = running ? duration(store.elapsed() - step.from, true) : timeTaken(step);
    setText(summary, [step.state + (time ? (step.state === "succeeded" ? " in " : running ? " for " : " after ") + time : ""),
      step.attempt > 1 && step.state !== "cached" ? `attempt ${step.attempt}` : "", facts?.why || (step.state === "cached" && step.error)].filter(Boolean).join(" · "));
  };
  const paint = () => {
    title();
    const held = tabs.contains(document.activeElement);
    tabs.replaceChildren(...kinds().map((kind) => {
      const one = node("button", "zb-tab", kind + (count(kind) != null ? ` ${count(kind)}` : ""));
      one.setAttribute("role", "tab");
      one.setAttribute("aria-selected", String(kind === tab));
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
    if (held) find(tabs, "[aria-selected=true]").focus({ preventScroll: true });
    content();
  };
  const choose = (kind) => { tab = kind; paint(); catchUp(); find(tabs, "[aria-selected=true]").focus({ preventScroll: true }); };
  const content = () => {
    const step = store.steps[at];
    if (tab === "Log") return showLog();
    if (!facts) return body.replaceChildren(node("p", "zb-faint", tab === "Error" ? step.error : late ? busyText(store) : "…"));
    const notes = facts.notes.map((note) => withLinks(`Note: ${note}`));
    if (tab === "Error") body.replaceChildren(pre(facts.traceback || facts.error || step.error), ...notes);
    else if (tab === "Code") body.replaceChildren(pre(facts.code || "(not recorded)"));
    else if (tab === "Parameters") body.replaceChildren(facts.params.length ? pairs(facts.params) : faint("It has no parameters."));
    else {
      const many = tab === "Inputs" ? facts.inputs : facts.outputs;
      const none = tab === "Inputs" ? "It has no inputs from other steps." : ENDED.includes(step.state) ? "It has no outputs." : "Outputs are stored when the step has ended.";
      body.replaceChildren(...(tab === "Outputs" && facts.metrics.length ? [pairs(facts.metrics)] : []), ...(many.length ? many.map(artifact) : [faint(none)]),
        ...(tab === "Outputs" ? notes : []));
    }
  };
  const showLog = () => {
    const step = store.steps[at];
    let text = find(body, ".zb-log");
    const tail = store.tails.get(at); // what is here until the kernel answers
    const shown = log ?? (tail && { first: Math.max(0, tail[1] - lineCount(tail[2])), total: tail[1], text: tail[2] });
    if (!shown) return body.replaceChildren(faint(late ? busyText(store) : "…"));
    if (!shown?.total) return body.replaceChildren(faint(step.state === "running" ? "It has not printed anything yet." : step.state === "cached" ? "It was served from the cache and printed nothing." : "It did not print anything."));
    const bottom = !text || text.scrollTop + text.clientHeight >= text.scrollHeight - 30;
    if (!text) {
      text = pre("");
      text.classList.add("zb-log");
      text.tabIndex = 0;
      const more = node("button", "zb-button zb-more");
      more.onclick = () => { askLog(Math.max(0, log.first - 500)); };
      body.replaceChildren(more, text);
    }
    const more = find(body, ".zb-more");
    more.hidden = !shown.first || !log;
    setText(more, `Load earlier lines (${shown.first.toLocaleString("en")} above)`);
    if (text.textContent !== shown.text) text.textContent = shown.text;
    if (bottom) text.scrollTop = text.scrollHeight;
  };
  const catchUp = () => { // the kernel's last message says that there is more
    if (busy || tab !== "Log" || store.tail?.[0] !== at) return;
    const grown = log && grownFor !== store.tail && !lastLine(log.text).endsWith(lastLine(store.tail[2]));
    if (store.tail[1] <= (log?.total ?? 0) && !grown) return;
    grownFor = store.tail; // asked for once: it may be cut differently here
    const end = log ? log.first + log.count : 0;
    askLog(log && store.tail[1] - end < 500 ? Math.max(log.first, end - 1) : null);
  };
  const merge = (asked, now) => {
    if (!log || asked.first == null || now.first > log.first + log.count) log = { ...now, count: lineCount(now.text) };
    else if (now.first < log.first) { // earlier lines, put before
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
      if (message.error) return body.replaceChildren(faint(message.error));
      if (message.details) { facts = message.details; paint(); }
      if (!message.log) return;
      busy = false;
      merge(message.asked, message.log);
      if (tab === "Log") showLog();
      catchUp();
    },
  };
}

const lastLine = (text) => text.slice(text.trimEnd().lastIndexOf("\n") + 1).trimEnd();

function busyText({ start }) {
  if (start.hears) return "The kernel is busy. The details appear when it is free.";
  return `This kernel cannot respond while a cell is running. Update to ipykernel 7.1 or later, or run this after the cell: %zen panel ${start.run}`;
}

function artifact(one) {
  const box = node("div", "zb-artifact"), head = node("div"), preview = one.preview ?? {};
  head.append(node("b", "", one.name), node("span", "zb-faint", [one.source && `from ${one.source}`, one.type, shapeText(preview), one.size, one.note].filter(Boolean).join(" · ")));
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

function shapeText(preview) {
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
