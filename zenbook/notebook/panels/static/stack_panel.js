// The stack panel in the browser: a picker, and forms to register. Texts of the user only ever become text nodes.

import { doneLine, node } from "./elements.js";
import { mountPanels } from "./mount_panels.js";
import { createForms } from "./stack_form.js";
import { createStackPicker } from "./stack_picker.js";

const WATCHED = 60_000; // ms after which the kernel hears again that somebody looks
const UNHEARD = 1500; // ms after which it is asked again when it has not answered

export default { initialize: ({ model, signal }) => mountPanels(render, model, model.get("start").panel, signal), render };

function render({ model, el }) {
  const start = model.get("start");
  const root = node("div", "zb-panel zb-stacks");
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", "Stacks");
  root.dataset.lmSuppressShortcuts = "true"; // keys are for the inputs, not for the notebook's cells
  root.addEventListener("keydown", (event) => event.stopPropagation()); // the notebook scrolls by arrows
  const waiting = new Map();
  const ask = (message) => new Promise((resolve) => {
    const id = crypto.getRandomValues(new Uint32Array(2)).join("-");
    waiting.set(id, resolve);
    model.send({ ...message, id });
  });
  const doneLines = node("div", "zb-lines");
  const lines = { add: (line) => doneLines.replaceChildren(doneLine(line)) };
  const known = { state: start.state };
  const change = (state) => {
    known.state = state;
    picker.paint();
    forms.paint();
  };
  const context = { start, known, ask, lines, chosen: () => picker.chosen() };
  const picker = createStackPicker(context), forms = createForms(context);
  root.append(picker.section, doneLines, forms.section);
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
    for (const control of root.querySelectorAll("button, select, input, textarea")) /** @type {HTMLInputElement} */ (control).disabled = true;
    picker.note("The kernel has stopped, so this panel shows its last state. See the current state: %zen panel", "");
  };
  const watch = () => ask({ ask: "watch" });
  const clock = setInterval(watch, WATCHED);
  model.on("msg:custom", receive);
  model.on("comm_live_update", lost);
  picker.paint();
  forms.paint();
  // A message that is sent before the comm has a subshell waits until the cell ends that runs: ask until one is answered.
  let answered = false;
  const knock = () => watch().then(() => { if (!answered) { answered = true; clearInterval(knocking); picker.check(); } });
  const knocking = setInterval(knock, UNHEARD);
  knock();
  return () => {
    clearInterval(clock);
    clearInterval(knocking);
    model.off("msg:custom", receive);
    model.off("comm_live_update", lost);
  };
}
