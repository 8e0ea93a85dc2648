// The stack panel in the browser: a picker, and forms to register. Texts of the user only ever become text nodes.

const SVG = "http://www.w3.org/2000/svg";
const WATCHED = 60_000; // ms after which the kernel is told again that somebody looks
const UNHEARD = 1500; // ms after which it is told again when it has not answered

export default { initialize: ({ model, signal }) => settle(model, model.get("start").panel, signal), render };

function render({ model, el }) {
  const start = model.get("start");
  const root = node("div", "zb-panel zb-stacks");
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", "Stacks");
  root.dataset.lmSuppressShortcuts = "true"; // keys are for the inputs, not for the notebook's cells
  root.addEventListener("keydown", (event) => event.stopPropagation()); // the notebook scrolls by arrows
  const waiting = new Map();
  const ask = (message) => new Promise((answered) => {
    const id = crypto.getRandomValues(new Uint32Array(2)).join("-");
    waiting.set(id, answered);
    model.send({ ...message, id });
  });
  const told = node("div", "zb-lines");
  const lines = { add: (line) => told.replaceChildren(doneLine(line)) };
  const known = { state: start.state };
  const change = (state) => {
    known.state = state;
    picker.paint();
    forms.paint();
  };
  const context = { start, known, ask, lines, change, chosen: () => picker.chosen() };
  const picker = pickerOf(context), forms = formsOf(context);
  root.append(picker.section, told, forms.section);
  el.append(root);

  const receive = (message) => {
    if (message.health) message.health.forEach(picker.health);
    if (message.state) change(message.state);
    waiting.get(message.to)?.(message);
    waiting.delete(message.to);
  };
  const lost = () => {
    clearInterval(clock);
    clearInterval(knocking);
    root.classList.add("zb-gone");
    root.querySelectorAll("button, select, input, textarea").forEach((one) => { one.disabled = true; });
    picker.note("The kernel is gone, so this shows how it was. See the stacks as they are: %zen panel", "");
  };
  const watch = () => ask({ ask: "watch" });
  const clock = setInterval(watch, WATCHED);
  model.on("msg:custom", receive);
  model.on("comm_live_update", lost);
  picker.paint();
  forms.paint();
  // A message that is sent before the comm has a subshell waits until the cell ends that runs: ask until one is heard.
  let heard = false;
  const knock = () => watch().then(() => { if (!heard) { heard = true; clearInterval(knocking); picker.check(); } });
  const knocking = setInterval(knock, UNHEARD);
  knock();
  return () => {
    clearInterval(clock);
    clearInterval(knocking);
    model.off("msg:custom", receive);
    model.off("comm_live_update", lost);
  };
}

function buttonOf(text, onclick, kind = "") {
  const button = node("button", `zb-button ${kind}`, text);
  button.type = "button";
  button.onclick = onclick;
  return button;
}

let lastId = 0;
function labelled(text, input) {
  const label = node("label", "", text);
  input.id ||= `zb-input-${(lastId += 1)}-${Date.now()}`;
  label.htmlFor = input.id;
  return label;
}

function options(select, names, texts = names) {
  const before = select.value;
  select.replaceChildren(...names.map((name, at) => Object.assign(node("option", "", texts[at]), { value: name })));
  if (names.includes(before)) select.value = before;
}

function say(element, state, look, text, hint = "") {
  element.replaceChildren();
  if (!text) return;
  const sign = mark(node("span", "zb-sign"), look, state), words = node("span", "", text);
  if (hint) words.append(node("span", "zb-hint", hint));
  element.append(sign, words);
}
