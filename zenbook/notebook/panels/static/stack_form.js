// Forms to register a component, by its flavour's settings, and a stack of components.

import { node, setText } from "./elements.js";
import { createLabel, say, setOptions, typedButton } from "./form_elements.js";

const SHOWN = 6; // fields; the others are folded

export function createForms(context) {
  const section = node("section", "zb-forms"), bar = node("div", "zb-choices"), place = node("div");
  const component = componentForm(context, () => open(null)), stack = stackForm(context, () => open(null));
  const openers = [[component, "Register a component"], [stack, "Register a stack"]].map(([form, text]) => {
    const button = typedButton(text, () => open(button.getAttribute("aria-expanded") === "true" ? null : form));
    bar.append(button);
    return { button, form };
  });
  const open = (form) => {
    openers.forEach((opener) => opener.button.setAttribute("aria-expanded", String(opener.form === form)));
    place.replaceChildren(...(form ? [form.element] : []));
    form?.open();
  };
  open(null);
  section.append(bar, place);
  return { section, paint: () => stack.paint() };
}

function frame(title, onsubmit, onescape) {
  const form = node("form", "zb-details"), grid = node("div", "zb-fields"), foot = node("div", "zb-foot"), note = node("div", "zb-note zb-message");
  form.setAttribute("aria-label", title);
  form.noValidate = true;
  form.autocomplete = "off";
  note.setAttribute("role", "status");
  form.onsubmit = (event) => { event.preventDefault(); onsubmit(); };
  form.onkeydown = (event) => { if (event.key === "Escape") onescape(); };
  form.append(grid, foot, note);
  return { form, grid, foot, note };
}

function textInput(type = "text") {
  const input = node("input", "zb-input");
  Object.assign(input, { type, spellcheck: false, autocomplete: type === "password" ? "new-password" : "off" });
  return input;
}

// A row of the grid: label, input, and below it what is wrong or what it is.
export function line(grid, text, input, help = "", required = false) {
  const cell = node("div", "zb-cell"), wrong = node("div", "zb-wrong"), label = createLabel(text, input);
  if (required) label.append(node("span", "zb-required", " *"));
  wrong.id = `${input.id}-wrong`;
  input.setAttribute("aria-describedby", wrong.id);
  cell.append(input, wrong, ...(help ? [node("div", "zb-help", help)] : []));
  grid.append(label, cell);
  return (words = "") => {
    setText(wrong, words);
    input.setAttribute("aria-invalid", String(!!words));
  };
}

function componentForm({ start, ask, lines }, close) {
  const { form, grid, foot, note } = frame("Register a component", () => save(), close);
  const kind = node("select", "zb-input"), flavour = node("select", "zb-input"), name = textInput();
  const options_ = node("div", "zb-fields"), more = node("details", "zb-more-fields"), rest = node("div", "zb-fields"), does = node("div", "zb-help");
  let fields = new Map(), touched = new Set(), asked = 0;
  line(grid, "Kind", kind);
  line(grid, "Flavour", flavour);
  flavour.after(does);
  line(grid, "Name", name, "", true);
  setOptions(kind, start.kinds.map((one) => one.kind), start.kinds.map((one) => one.label));
  more.append(node("summary", "", "More options"), rest);
  grid.after(options_, more);
  const test = typedButton("Test connection", () => tryIt()), done = typedButton("Save", () => {}, "zb-first");
  done.type = "submit";
  done.onclick = null;
  foot.append(done, test, typedButton("Close", close));

  kind.onchange = () => { flavoursOf(); fill(); };
  flavour.onchange = () => fill();
  const flavoursOf = () => setOptions(flavour, start.kinds.find((one) => one.kind === kind.value).flavours);

  async function fill() {
    const mine = (asked += 1);
    const answer = await ask({ ask: "form", kind: kind.value, flavour: flavour.value });
    if (mine !== asked) return;
    [fields, touched] = [new Map(), new Set()];
    options_.replaceChildren();
    rest.replaceChildren();
    say(note, "failed", start.look, answer.error, answer.hint);
    setText(does, answer.does ?? "");
    for (const [at, one] of (answer.fields ?? []).entries()) {
      const input = createInput(one);
      const wrong = line(at < SHOWN || one.required ? options_ : rest, one.label, input, one.help, one.required);
      fields.set(one.name, { one, input, wrong });
      input.onchange = () => { touched.add(one.name); look(); };
    }
    more.hidden = !rest.childElementCount;
    done.disabled = test.disabled = !!answer.error;
  }

  const values = () => Object.fromEntries([...fields].flatMap(([key, { one, input }]) => {
    if (one.input === "switch") return input.checked === !!one.default ? [] : [[key, input.checked]];
    return input.value === "" ? [] : [[key, input.value]];
  }));
  const message = (what) => ({ ask: what, kind: kind.value, flavour: flavour.value, name: name.value, values: values() });

  function wrong(mistakes = {}, all = true) {
    const places = [...fields].filter(([key, { wrong: tell }]) => {
      const words = all || touched.has(key) ? mistakes[key] : "";
      tell(words);
      return words;
    });
    if (!all) return;
    const [first] = places;
    if (first && rest.contains(first[1].input)) more.open = true;
    first?.[1].input.focus();
    if (mistakes[""]) say(note, "failed", start.look, mistakes[""]);
  }

  async function look() {
    const mine = asked, answer = await ask(message("read"));
    if (mine === asked) wrong(answer.mistakes, false);
  }

  async function send(what, saying) {
    done.disabled = test.disabled = true;
    say(note, "running", start.look, saying);
    const answer = await ask(message(what));
    done.disabled = test.disabled = false;
    say(note);
    wrong(answer.mistakes);
    if (answer.error) say(note, "failed", start.look, answer.error, answer.hint);
    return answer;
  }

  async function tryIt() {
    const answer = await send("test", "Testing…");
    if (answer.found) say(note, "succeeded", start.look, answer.found);
  }

  async function save() {
    const answer = await send("save", "Saving…");
    if (!answer.saved) return;
    lines.add(answer.line);
    for (const { one, input } of fields.values()) if (one.secret) input.value = "";
    name.value = "";
    say(note, "succeeded", start.look, `Registered ${answer.saved}: it can be put into a stack now.`);
  }

  return { element: form, open() { if (!flavour.value) { flavoursOf(); fill(); } kind.focus(); } };
}

function createInput(field) {
  if (field.input === "switch") {
    const input = textInput("checkbox");
    input.checked = !!field.default;
    return input;
  }
  if (field.input === "choice") {
    const input = node("select", "zb-input");
    setOptions(input, ["", ...field.choices], [field.default ? `${field.default} (default)` : "", ...field.choices]);
    return input;
  }
  if (field.input === "pairs") {
    const input = node("textarea", `zb-input ${field.secret ? "zb-hidden-text" : ""}`);
    return Object.assign(input, { rows: 2, placeholder: "KEY=VALUE, a line for each", spellcheck: false, autocomplete: "off" });
  }
  const input = textInput(field.secret ? "password" : "text");
  if (field.input === "number") input.inputMode = "decimal";
  input.placeholder = field.secret ? "a secret, or ${VARIABLE}" : field.default;
  return input;
}

function stackForm({ start, known, ask, lines }, close) {
  const { form, grid, foot, note } = frame("Register a stack", () => save(), close);
  const name = textInput(), production = textInput("checkbox");
  line(grid, "Name", name, "", true);
  const parts = start.kinds.map(({ kind, label }) => {
    const select = node("select", "zb-input");
    line(grid, label, select);
    return [kind, select];
  });
  line(grid, "for production", production, "Show its name everywhere, and ask before something is destroyed.");
  const done = typedButton("Save", () => {}, "zb-first");
  done.type = "submit";
  done.onclick = null;
  foot.append(done, typedButton("Close", close));

  async function save() {
    done.disabled = true;
    const components = Object.fromEntries(parts.map(([kind, select]) => [kind, select.value]));
    const answer = await ask({ ask: "stack", name: name.value, production: production.checked, components });
    done.disabled = false;
    if (answer.error) return say(note, "failed", start.look, answer.error, answer.hint);
    lines.add(answer.line);
    say(note, "succeeded", start.look, `Registered ${name.value}: pick it above to switch to it.`);
    name.value = "";
  }

  return {
    element: form,
    open: () => name.focus(),
    paint() {
      for (const [kind, select] of parts) {
        const there = known.state.components?.[kind] ?? [];
        setOptions(select, there.map((one) => one.name), there.map((one) => (one.flavour === one.name ? one.name : `${one.name} (${one.flavour})`)));
      }
    },
  };
}
