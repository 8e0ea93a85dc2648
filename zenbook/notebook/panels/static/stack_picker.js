// Pick a stack: what it is made of, whether that works, what a switch changes.

import { mark, node, setText } from "./elements.js";
import { createLabel, say, setOptions, typedButton } from "./form_elements.js";

export function createStackPicker({ start, known, ask, lines }) {
  const section = node("section"), head = node("div", "zb-head"), left = node("div", "zb-left");
  const select = node("select", "zb-input"), activeNote = node("span", "zb-caption"), note = node("div", "zb-note zb-message");
  note.setAttribute("role", "status");
  const use = typedButton("Use", () => switchTo(true), "zb-first"), check = typedButton("Check", () => checkChosen());
  const anyway = typedButton("Use without checking", () => switchTo(false));
  const rows = node("div", "zb-rows");
  const health = new Map(); // of the stacks that were checked, by stack and kind
  left.append(createLabel("Stack", select), select, activeNote);
  const buttons = node("div", "zb-choices");
  buttons.append(anyway, use, check);
  head.append(left, buttons);
  section.append(head, rows, note);
  anyway.hidden = true;
  let following = true; // the active stack, until another is chosen
  let busy = false;

  const stackOf = (name) => known.state.stacks?.find((one) => one.name === name);
  const key = (stack, kind) => `${stack}/${kind}`;
  const chosen = () => select.value;

  select.onchange = () => {
    following = select.value === known.state.active;
    anyway.hidden = true;
    say(note);
    paint();
  };

  function paint() {
    const { state } = known;
    if (state.error) return say(note, "failed", start.look, state.error, state.hint);
    const names = state.stacks.map((one) => one.name);
    const texts = state.stacks.map((one) => one.name + (one.production ? " (production)" : "") + (one.name === state.active ? " – active" : ""));
    if (select.dataset.key !== texts.join("\n")) setOptions(select, names, texts);
    select.dataset.key = texts.join("\n");
    if (following || !names.includes(select.value)) { select.value = state.active; following = true; }
    const now = stackOf(state.active), next = stackOf(select.value), other = next !== now;
    setText(activeNote, other ? `instead of ${state.active}, which is active` : "");
    use.hidden = !other;
    use.disabled = check.disabled = busy;
    const lines_ = start.kinds.map(({ kind, label }, at) => row(label, now?.components[at], next?.components[at], other, health.get(key(select.value, kind))));
    if (other && now?.production !== next.production) lines_.push(row("for production", yes(now?.production), yes(next.production), true));
    rows.replaceChildren(...lines_.flat());
  }

  const yes = (value) => ({ name: value ? "yes" : "no", flavour: "" });

  function row(label, before, after, other, result) {
    const is = node("span", "zb-is"), dot = node("span", "zb-dot");
    const changed = other && (before?.name !== after.name || before?.flavour !== after.flavour);
    if (changed) is.append(component(before, "zb-old"), node("span", "zb-arrow", " → "), component(after, "zb-new"));
    else is.append(component(after), ...(other ? [node("span", "zb-faint", " stays")] : []));
    if (result) {
      mark(dot, start.look, result.state);
      dot.setAttribute("role", "img");
      dot.setAttribute("aria-label", { running: "being checked", succeeded: "works", failed: "does not work" }[result.state]);
    }
    const says = node("span", `zb-found ${result?.state === "failed" ? "zb-failed" : ""}`, result?.message ?? "");
    if (result?.hint) says.append(node("span", "zb-hint", result.hint));
    return [node("span", "zb-kind", label), is, dot, says];
  }

  function component(one, kind = "") {
    const made = node("span", kind);
    made.append(node("b", "", one?.name ?? "none"));
    if (one?.flavour && one.flavour !== one.name) made.append(node("span", "zb-faint", ` ${one.flavour}`));
    return made;
  }

  function starting(stack) {
    busy = true;
    start.kinds.forEach(({ kind }) => health.set(key(stack, kind), { state: "running", message: "checking…" }));
    paint();
  }

  async function checkChosen() {
    const stack = select.value;
    starting(stack);
    const answer = await ask({ ask: "check", stack });
    busy = false;
    if (answer.error) fail(stack, answer);
    paint();
    return answer;
  }

  async function switchTo(checked) {
    const stack = select.value;
    anyway.hidden = true;
    say(note);
    if (checked) starting(stack);
    const answer = await ask({ ask: "use", stack, check: checked });
    busy = false;
    if (answer.error) {
      anyway.hidden = !answer.failed;
      fail(stack, answer);
      if (answer.failed) anyway.focus();
    } else {
      lines.add(answer.line);
      say(note, "succeeded", start.look, `The stack ${stack} is active.`);
      select.focus();
    }
    paint();
  }

  function fail(stack, answer) {
    start.kinds.forEach(({ kind }) => {
      if (health.get(key(stack, kind))?.state === "running") health.delete(key(stack, kind));
    });
    say(note, "failed", start.look, answer.error, answer.hint);
  }

  return {
    section, chosen,
    paint() {
      const before = select.dataset.seen, now = JSON.stringify(known.state);
      select.dataset.seen = now;
      if (before !== undefined && before !== now && !busy) {
        const { active, stacks } = JSON.parse(before);
        stacks?.filter((one) => JSON.stringify(one) !== JSON.stringify(stackOf(one.name))).forEach(({ name }) => {
          start.kinds.forEach(({ kind }) => health.delete(key(name, kind))); // what was found is of other components
        });
        paint();
        if (active !== known.state.active) {
          following = true;
          anyway.hidden = true;
          paint();
          say(note, "succeeded", start.look, `The stack ${known.state.active} is active.`);
          checkChosen();
        }
      } else paint();
    },
    check: checkChosen,
    note: (text, hint) => say(note, "failed", start.look, text, hint),
    health({ stack, kind, ok, message, hint }) {
      health.set(key(stack, kind), { state: ok ? "succeeded" : "failed", message, hint });
      paint();
    },
  };
}
