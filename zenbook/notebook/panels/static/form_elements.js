// What the stack panel's picker and forms are drawn with.

import { mark, node } from "./elements.js";

export function typedButton(text, onclick, kind = "") {
  const button = node("button", `zb-button ${kind}`, text);
  button.type = "button";
  button.onclick = onclick;
  return button;
}

let lastId = 0;
export function createLabel(text, input) {
  const label = node("label", "", text);
  input.id ||= `zb-input-${(lastId += 1)}-${Date.now()}`;
  label.htmlFor = input.id;
  return label;
}

export function setOptions(select, names, texts = names) {
  const before = select.value;
  select.replaceChildren(...names.map((name, at) => Object.assign(node("option", "", texts[at]), { value: name })));
  if (names.includes(before)) select.value = before;
}

export function say(element, state, look, text, hint = "") {
  element.replaceChildren();
  if (!text) return;
  const sign = mark(node("span", "zb-sign"), look, state), words = node("span", "", text);
  if (hint) words.append(node("span", "zb-hint", hint));
  element.append(sign, words);
}
