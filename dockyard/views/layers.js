// The layer explorer: stacks of layers that can be unfolded. view.js is prepended.

function holds(layer) {
  if (layer.problem) return layer.problem;
  if (layer.writable) return layer.counts || "nothing";
  return `${sizeOf(layer.size)}, ${layer.counts || "no files"}`;
}

const SIGNS = { "+": "added", "~": "changed", "−": "removed" };

function listOf(layer) {
  // Long lists can be scrolled, so they must be reachable by keyboard.
  const list = element("ul", { class: "dy-files dy-mono", tabindex: "0", "aria-label": "Files" });
  for (const { sign, path, size } of layer.entries) {
    const mark = element("span", { class: "dy-sign", role: "img", "aria-label": SIGNS[sign] }, sign);
    const item = element("li", {}, mark, element("span", { class: "dy-path" }, path));
    if (sign !== "−" && !layer.writable && !path.endsWith("/"))
      item.append(element("span", { class: "dy-size" }, sizeOf(size)));
    list.append(item);
  }
  const left = layer.total - layer.entries.length;
  if (left > 0) list.append(element("li", { class: "dy-more" }, `and ${left} more`));
  return list;
}

function fillLayer(item, layer, largest) {
  const wasOpen = item.querySelector("details")?.open;
  const within = item.contains(document.activeElement);
  item.className = `dy-layer${layer.writable ? " dy-writable" : ""}`;
  item.style.setProperty("--dy-hue", layer.hue ?? "");
  item.classList.toggle("dy-shared", layer.shared.length > 0);
  const head = [element("span", { class: "dy-label dy-mono" }, layer.label)];
  if (layer.base && layer.command) head.push(element("span", { class: "dy-how dy-mono" }, layer.command));
  head.push(element("span", { class: "dy-holds" }, holds(layer)));
  if (layer.shared.length)
    head.push(element("span", { class: "dy-same" }, `the same layer as in ${layer.shared.join(", ")}`));
  if (layer.size) {
    const bar = element("span", { class: "dy-bar", "aria-hidden": "true" });
    bar.style.width = `${Math.max(0.5, (100 * layer.size) / largest)}%`;
    head.push(bar);
  }
  if (!layer.entries.length) {
    item.replaceChildren(element("div", { class: "dy-flat" }, ...head));
    return;
  }
  const fold = element("details", { open: wasOpen ?? (!layer.base && layer.total <= 6) });
  fold.append(element("summary", {}, ...head), listOf(layer));
  item.replaceChildren(fold);
  if (within) fold.firstChild.focus();
}

function fillStack(list, stack, largest, first) {
  const present = new Map([...list.querySelectorAll("[data-key]")].map((each) => [each.dataset.key, each]));
  const order = [];
  for (const layer of stack.layers) {
    const said = JSON.stringify([layer, largest]);
    const found = present.get(layer.id);
    const item = found ?? element("li", { "data-key": layer.id });
    present.delete(layer.id);
    if (item.said !== said) {
      const before = item.textContent;
      fillLayer(item, layer, largest);
      if (!first && !found) mark(item, "dy-new");
      else if (found && item.textContent !== before) mark(item, "dy-changed");
    }
    item.said = said;
    order.push(item);
  }
  for (const item of present.values()) item.remove();
  // Moving an item would take the focus away from it.
  if (order.some((item, at) => list.children[at] !== item)) list.replaceChildren(...order);
}

export default {
  render({ model, el }) {
    const view = frame(model, el, { picture: false });
    view.root.classList.add("dockyard-layers");
    const columns = new Map();
    view.on(["stacks"], () => {
      const stacks = model.get("stacks");
      const largest = Math.max(1, ...stacks.flatMap((stack) => stack.layers.map((each) => each.size)));
      stacks.forEach((stack, at) => {
        const first = !columns.has(at);
        if (first) {
          const head = element("div", { class: "dy-head", id: `${view.id}-${at}` });
          const list = element("ol", { "aria-labelledby": head.id, reversed: true });
          const note = element("div", { class: "dy-settings" });
          const column = element("div", { class: "dy-stack", "data-name": stack.name }, head, list, note);
          columns.set(at, { head, list, note });
          view.body.append(column);
        }
        const { head, list, note } = columns.get(at);
        const count = stack.layers.filter((each) => !each.writable).length;
        const of = stack.container ? `container of ${stack.image}, ` : "";
        const about = stack.problem || `${of}${count} layer${count === 1 ? "" : "s"}`;
        head.replaceChildren(
          element("span", { class: "dy-mono" }, stack.name),
          element("span", { class: "dy-about" }, ` ${about}`),
        );
        fillStack(list, stack, largest, first);
        note.textContent = stack.settings.length ? `settings, no layer: ${stack.settings.join(", ")}` : "";
      });
    });
    const again = element("button", { type: "button", class: "dy-again" }, "Look again");
    again.addEventListener("click", () => model.get("looking") || model.send({ again: true }));
    view.on(["looking"], () => again.setAttribute("aria-disabled", model.get("looking")));
    view.body.after(again);
    return view.close;
  },
};
