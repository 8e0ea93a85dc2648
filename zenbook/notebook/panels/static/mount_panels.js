// Where a panel is seen. The notebook's file holds no widget: the output is a still picture in an element that has the
// panel's id as a class, and the live panel is put into every such element for as long as there is a kernel.

import { node } from "./elements.js";

const FORGOTTEN = 60_000; // ms after which the view of an element that is out of the page is taken apart

// ``picture`` gives the HTML that stays where the panel was, if there is a newer one than the output has.
export function mountPanels(render, model, panel, signal, picture = () => "") {
  const views = new Set();
  const look = () => {
    for (const place of document.getElementsByClassName(`zb-at-${panel}`)) {
      if (place.querySelector(":scope > .zb-live")) continue;
      // When the kernel renews the picture, its element is another one: the view moves, with what is open in it.
      const view = [...views].find(({ el }) => !el.isConnected) ?? createView(render, model, views);
      place.classList.add("zb-taken");
      place.append(view.el);
      view.restore();
    }
  };
  const watcher = new MutationObserver(look);
  const sweep = setInterval(() => {
    for (const view of views) {
      if (!view.el.isConnected && view.away) view.end();
      view.away = !view.el.isConnected;
    }
  }, FORGOTTEN);
  look();
  watcher.observe(document.body, { childList: true, subtree: true });
  signal.addEventListener("abort", () => {
    watcher.disconnect();
    clearInterval(sweep);
    views.forEach((view) => view.end(picture()));
  });
}

function createView(render, model, views) {
  const el = node("div", "zb-live"), scrolled = new Map();
  let held = null;
  el.addEventListener("focusin", ({ target }) => { held = target; });
  el.addEventListener("focusout", ({ relatedTarget }) => { if (relatedTarget) held = null; }); // else it is taken out
  el.addEventListener("scroll", (event) => {
    const area = /** @type {Element} */ (event.target);
    scrolled.set(area, [area.scrollLeft, area.scrollTop]);
  }, true);
  const dispose = render({ model, el });
  const view = {
    el, away: false,
    restore() { // what an element loses when it moves elsewhere
      const focus = held;
      for (const [one, [left, top]] of [...scrolled]) if (el.contains(one)) one.scrollTo({ left, top, behavior: "instant" });
      if (focus && el.contains(focus) && document.activeElement === document.body) focus.focus({ preventScroll: true });
    },
    end(html = "") {
      const place = el.parentElement;
      views.delete(view);
      dispose();
      el.remove();
      place?.classList.remove("zb-taken");
      if (place && html) place.innerHTML = html; // zenbook's own picture
    },
  };
  views.add(view);
  return view;
}
