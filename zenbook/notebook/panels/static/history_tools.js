// Filters, columns and what can be done with the ticked runs; below the table an opened run and a comparison.

import { button, doneLine, faint, find, node, pre, setText } from "./elements.js";
import { ended } from "./history_table.js";

const STATES = ["running", "pending", "succeeded", "failed", "cancelled", "crashed"];

export function createToolbar(view) {
  const { store } = view;
  const bar = node("div", "zb-tools-bar"), title = node("b", "", "Runs"), stack = node("span", "zb-stack");
  const pipeline = field("input", "Pipeline", "any pipeline"), state = field("select", "State"), text = field("input", "Text", "id, pipeline, lr=0.3");
  const known = node("datalist");
  known.id = `zb-pipelines-${Math.random().toString(36).slice(2)}`;
  pipeline.setAttribute("list", known.id);
  pipeline.classList.add("zb-short");
  text.type = pipeline.type = "search";
  state.append(...["", ...STATES].map((one) => { const made = node("option", "", one || "any state"); made.value = one; return made; }));
  const where = field("input", "Where", "metrics.accuracy > 0.9 and params.lr < 0.1"), mistake = node("div", "zb-mistake");
  where.type = "search";
  where.classList.add("zb-where");
  where.title = "A condition in SQL: params.NAME, metrics.NAME, pipeline, state, started_at, seconds, tags, …";
  where.spellcheck = false;
  mistake.id = `${known.id}-mistake`;
  mistake.setAttribute("role", "alert");
  where.setAttribute("aria-describedby", mistake.id);
  const filter = () => {
    const wanted = { ...store.wanted, pipeline: pipeline.value.trim(), state: state.value, where: where.value.trim() };
    if (["pipeline", "state", "where"].some((one) => wanted[one] !== store.wanted[one])) store.want(wanted);
  };
  pipeline.onchange = state.onchange = where.onchange = filter;
  where.oninput = () => { if (!where.value.trim()) filter(); };
  where.onkeydown = (event) => { if (event.key === "Enter") filter(); };
  pipeline.oninput = () => { if (!pipeline.value.trim() || store.pipelines.has(pipeline.value.trim())) filter(); }; // typed in full or chosen
  pipeline.onkeydown = (event) => { if (event.key === "Enter") filter(); };
  text.oninput = () => { view.text = text.value; view.dirty(); };
  const columns = createColumnChoice(view), ticked = node("span", "zb-ticked"), count = node("span");
  const compare = button("Compare", () => view.compare([...view.ticked])), remove = button("Delete…", () => view.remove([...view.ticked]));
  const none = button("Untick", () => { view.ticked.clear(); view.dirty(); });
  ticked.append(count, compare, remove, none);
  bar.append(title, stack, pipeline, known, state, text, where, columns.box, ticked, mistake);
  return {
    bar,
    paint() {
      setText(stack, store.stack ? `on ${store.stack}` : "");
      stack.classList.toggle("zb-production", store.production);
      const names = [...store.pipelines].sort();
      if (known.childElementCount !== names.length) known.replaceChildren(...names.map((one) => { const made = node("option"); made.value = one; return made; }));
      setText(mistake, store.wrong);
      mistake.hidden = !store.wrong;
      where.setAttribute("aria-invalid", Boolean(store.wrong));
      ticked.hidden = !view.ticked.size;
      setText(count, `${view.ticked.size} ticked`);
      compare.disabled = view.ticked.size < 2;
      compare.title = view.ticked.size < 2 ? "Tick two runs or more" : "";
      columns.paint();
    },
  };
}

function field(tag, label, placeholder = "") {
  const made = node(tag, "zb-field");
  made.setAttribute("aria-label", label);
  if (placeholder) made.placeholder = placeholder;
  return made;
}

function createColumnChoice(view) {
  const box = node("details", "zb-columns"), list = node("div", "zb-choice");
  const summary = node("summary", "zb-button", "Columns");
  box.append(summary, list);
  box.onkeydown = (event) => { if (event.key === "Escape" && box.open) { box.open = false; summary.focus(); event.stopPropagation(); } };
  box.addEventListener("focusout", ({ relatedTarget }) => { if (relatedTarget && !box.contains(/** @type {Node} */ (relatedTarget))) box.open = false; });
  box.ontoggle = () => view.dirty();
  const one = ({ key, name, kind, shown }) => {
    const label = node("label"), tick = node("input");
    tick.type = "checkbox";
    tick.checked = shown;
    tick.onchange = () => {
      tick.checked ? (view.hidden.delete(key), view.shownToo.add(key)) : view.hidden.add(key);
      view.dirty();
    };
    label.append(tick, name, ...(kind ? [node("span", "zb-faint", kind)] : []));
    return label;
  };
  let drawn = "";
  return {
    box,
    paint() {
      const now = view.columns.map(({ key }) => key).join("\n");
      if (!box.open || drawn === now) return;
      drawn = now;
      list.replaceChildren(...view.columns.map(one));
    },
  };
}

export function createRunSections(view, table) {
  const { store } = view;
  const note = node("div", "zb-note"), question = node("div", "zb-question"), opened = section("Run"), compared = section("Comparison");
  note.setAttribute("role", "status");
  question.setAttribute("role", "alertdialog");
  question.hidden = true;
  let said = "", wrong = false;
  const say = (text, bad = false) => { said = text; wrong = bad; view.dirty(); };
  const copy = (id) => navigator.clipboard.writeText(id).then(() => say(`Copied ${id}.`), () => say("The browser does not allow copying here.", true));

  const open = (id) => {
    const row = store.rows.get(id);
    view.opened = view.at = id;
    const acts = [
      button("Copy id", () => copy(id)),
      button("Resume", () => { say("Resuming…"); store.send({ ask: "resume", runs: [id] }); }, "zb-resume"),
      button("Export…", () => exportation.ask(id, row?.pipeline ?? "pipeline")),
      button("Delete…", () => remove([id])),
    ];
    opened.show(`Run ${id}`, acts, faint("…"));
    exportation.box.hidden = true;
    opened.body.before(exportation.box);
    find(opened.box, ".zb-resume").hidden = !row || !ended(row);
    store.send({ ask: "open", runs: [id] });
    say("");
  };
  opened.shut = () => { view.opened = ""; store.send({ ask: "close" }); table.focus(); view.dirty(); };
  compared.shut = () => table.focus();
  const embed = async ({ opened: id, model, html }) => {
    if (view.opened !== id) return;
    try {
      if (!model) throw new Error("no widget");
      const manager = store.model.widget_manager, child = await manager.create_view(await manager.get_model(model));
      if (view.opened === id) opened.body.replaceChildren(child.el);
    } catch {
      opened.body.innerHTML = html; // zenbook's own picture
    }
    opened.box.scrollIntoView({ block: "nearest" });
  };
  const compare = (runs) => {
    compared.show(`Comparison of ${runs.length} runs`, [], faint("Comparing…"));
    store.send({ ask: "compare", runs });
    say("");
  };
  const exportation = createExportForm(store, () => find(opened.box, ".zb-head button")?.focus());
  const remove = (runs) => {
    const what = runs.length === 1 ? `run ${runs[0]}` : `${runs.length} runs`;
    const where = store.production ? ` The stack ${store.stack.replace(" (production)", "")} is for production.` : "";
    const keep = button(runs.length === 1 ? "Keep it" : "Keep them", () => { question.hidden = true; table.focus(); });
    const sure = button(`Delete ${what.replace(/^run .*/, "it")}`, () => { question.hidden = true; store.send({ ask: "delete", runs }); table.focus(); }, "zb-danger");
    question.replaceChildren(node("span", "", `Delete ${what}, with logs and metrics?${where}`), sure, keep);
    question.setAttribute("aria-label", `Delete ${what}?`);
    question.onkeydown = (event) => { if (event.key === "Escape") { keep.click(); event.stopPropagation(); } };
    question.hidden = false;
    keep.focus();
  };
  return {
    note, question, opened: opened.box, compared: compared.box, open, compare, remove, say,
    answered(message) {
      const { ask, runs } = message.asked;
      if (message.opened) embed(message);
      if (message.html && ask === "compare") { compared.body.innerHTML = message.html; compared.box.scrollIntoView({ block: "nearest" }); }
      if (ask === "export") return exportation.answered(message);
      if (message.deleted?.includes(view.opened)) opened.close();
      if (message.done) say(message.done);
      if (!message.error) return;
      if (ask === "open" && runs[0] === view.opened) opened.body.replaceChildren(faint(message.error));
      else if (ask === "compare") compared.body.replaceChildren(faint(message.error));
      else say(message.error, true);
    },
    paint() {
      const row = store.rows.get(view.opened), resume = find(opened.box, ".zb-resume");
      if (row && resume) resume.hidden = !ended(row);
      setText(note, store.gone ? "The kernel has stopped, so this panel shows its last state. In a new kernel: %zen panel runs" : store.away || said);
      note.classList.toggle("zb-wrong", Boolean(store.away) || wrong);
    },
  };
}

// Where a run's plan is to be written, and as what; then the line that does the same.
function createExportForm(store, back) {
  const box = node("form", "zb-export"), target = field("select", "Export as"), folder = field("input", "Folder"), said = node("div", "zb-exported");
  const close = button("Close", () => { box.hidden = true; back(); });
  let run = "", guessed = "";
  target.append(...store.exporters.map((one) => { const made = node("option", "", one); made.value = one; return made; }));
  const guess = (pipeline) => {
    if (folder.value === guessed) folder.value = `exports/${pipeline}-${target.value}`;
    guessed = `exports/${pipeline}-${target.value}`;
  };
  const go = button("Export", () => {});
  close.type = "button";
  said.setAttribute("role", "status");
  box.setAttribute("aria-label", "Export the run");
  box.append(node("span", "", "Export as"), target, node("span", "", "to"), folder, go, close, said);
  box.onsubmit = (event) => {
    event.preventDefault();
    said.replaceChildren(faint("Writing…"));
    store.send({ ask: "export", runs: [run], target: target.value, folder: folder.value });
  };
  box.onkeydown = (event) => {
    if (event.key === "Escape") close.click();
    event.stopPropagation();
  };
  return {
    box,
    ask(id, pipeline) {
      run = id;
      guess(pipeline);
      target.onchange = () => guess(pipeline);
      said.replaceChildren();
      box.hidden = false;
      target.focus();
    },
    answered(message) {
      if (message.asked.runs[0] !== run) return;
      if (message.error) return said.replaceChildren(node("span", "zb-wrong", message.error));
      said.replaceChildren(pre(message.exported), doneLine(message.line));
    },
  };
}

function section(label) {
  const box = node("section", "zb-details"), head = node("div", "zb-head"), body = node("div", "zb-below");
  const close = button("×", () => made.close(), "zb-close");
  const made = {
    box, body, shut() {},
    close() { box.hidden = true; body.replaceChildren(); made.shut(); },
    show(title, acts, content) {
      box.setAttribute("aria-label", title);
      head.replaceChildren(node("b", "", title), node("span", "zb-gap"), ...acts, close);
      body.replaceChildren(content);
      box.hidden = false;
    },
  };
  close.setAttribute("aria-label", `Close the ${label.toLowerCase()}`);
  box.hidden = true;
  box.onkeydown = (event) => { if (event.key === "Escape") { made.close(); event.stopPropagation(); } };
  box.append(head, body);
  return made;
}
