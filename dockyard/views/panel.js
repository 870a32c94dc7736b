// The daemon panel: four lists that follow the daemon. view.js is prepended.

const KINDS = ["containers", "images", "networks", "volumes"];
const SIGNS = {
  created: "○", running: "▶", paused: "‖", restarting: "↻", exited: "■", dead: "✖", removing: "✖",
};

function stateOf(container) {
  if (container.state === "exited" && container.exit_code !== null)
    return `exited, code ${container.exit_code}`;
  return container.state + (container.health ? `, ${container.health}` : "");
}

function fill(item, kind, fact) {
  const name = element("span", { class: "dy-name dy-mono" }, fact.name || "(no name)");
  item.className = "dy-item";
  if (kind !== "containers") {
    item.replaceChildren(name);
    return;
  }
  item.classList.add("dy-state", `dy-${fact.state}`);
  item.dataset.state = fact.state;
  const sign = element("span", { class: "dy-sign", "aria-hidden": "true" }, SIGNS[fact.state]);
  const state = element("span", { class: "dy-what" }, sign, ` ${stateOf(fact)}`);
  item.replaceChildren(name, state, element("span", { class: "dy-from" }, fact.image));
}

// Updates a list to show facts in their order. Items are matched by id; only differences change.
function reconcile(list, kind, facts, first) {
  const present = new Map();
  for (const item of list.querySelectorAll("[data-key]")) present.set(item.dataset.key, item);
  let last = null;
  for (const fact of facts) {
    const said = JSON.stringify(fact);
    let item = present.get(fact.id);
    present.delete(fact.id);
    if (!item) {
      item = element("li", { "data-key": fact.id });
      fill(item, kind, fact);
      if (!first) mark(item, "dy-new");
    } else if (item.said !== said) {
      const before = item.textContent;
      fill(item, kind, fact);
      if (item.textContent !== before) mark(item, "dy-changed");
    }
    item.said = said;
    const place = last ? last.nextSibling : list.firstChild;
    if (item !== place) list.insertBefore(item, place);
    last = item;
  }
  for (const item of present.values()) fade(item);
}

export default {
  render({ model, el }) {
    const view = frame(model, el, { picture: false });
    view.root.classList.add("dockyard-panel");
    const first = Object.fromEntries(KINDS.map((kind) => [kind, true]));
    for (const kind of KINDS) {
      const count = element("span", { class: "dy-count" });
      const head = element("div", { class: "dy-head", id: `${view.id}-${kind}` }, `${kind} `, count);
      const list = element("ul", { "aria-labelledby": head.id });
      const none = element("div", { class: "dy-none" }, "none");
      view.body.append(element("div", { class: "dy-kind", "data-kind": kind }, head, list, none));
      view.on([kind], () => {
        const facts = model.get(kind);
        reconcile(list, kind, facts, first[kind]);
        first[kind] = false;
        count.textContent = facts.length;
        none.hidden = facts.length > 0;
      });
    }
    return view.close;
  },
};
