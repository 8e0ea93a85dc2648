// The graph of a run: boxes that can be clicked, reached by keys, zoomed and scrolled.

import { duration, icon, node, setText, shape, share, timeTaken } from "./elements.js";

export function createGraph(store, open) {
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
    svg.setAttribute("width", String(width * scale));
    svg.setAttribute("height", String(height * scale));
    const fits = width * scale <= scroll.clientWidth + 2 && height * scale <= 422;
    tools.hidden = !chosen && fits;
  };
  const addTool = (sign, title, scaleTo) => {
    const button = node("button", "zb-tool", sign);
    button.setAttribute("aria-label", title);
    button.title = title;
    button.onclick = () => { chosen = true; zoom(scaleTo()); };
    tools.append(button);
  };
  addTool("−", "Smaller", () => scale / 1.2);
  addTool("+", "Larger", () => scale * 1.2);
  addTool("Fit", "Fit to the width", () => Math.min(1, (scroll.clientWidth - 2) / width));
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
    return timeTaken(step) ? timeTaken(step) + (step.attempt > 1 ? ` ×${step.attempt}` : "") : step.state;
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
      setText(one.second, words(step));
      const far = share(step.progress);
      one.rail.style.display = one.done.style.display = far == null ? "none" : "";
      if (far != null) one.done.setAttribute("width", (wide - 16) * far);
      one.box.setAttribute("aria-label", `${step.name}: ${step.state}${timeTaken(step) ? " in " + timeTaken(step) : ""}`);
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
    tick: () => store.steps.forEach((step, index) => step.state === "running" && setText(boxes[index].second, words(step))),
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
