// The registry browser: three lists of buttons, and the open blob. view.js is prepended.

export default {
  render({ model, el }) {
    const view = frame(model, el, { picture: false });
    view.root.classList.add("dockyard-registry");
    const ask = (message) => model.get("looking") || model.send(message);

    const column = (name, head) => {
      const title = element("div", { class: "dy-head", id: `${view.id}-${name}` }, head);
      const list = element("ul", { "aria-labelledby": title.id });
      view.body.append(element("div", { class: "dy-column", "data-kind": name }, title, list));
      return list;
    };
    // Buttons whose names stay are kept, so that the pressed one keeps the focus.
    const fill = (list, names, chosen, choose) => {
      const present = new Map([...list.children].map((item) => [item.dataset.key, item]));
      const items = names.map((name) => {
        let item = present.get(name);
        if (!item) {
          const button = element("button", { type: "button", class: "dy-mono" }, name);
          button.addEventListener("click", () => choose(name));
          item = element("li", { "data-key": name }, button);
        }
        item.firstChild.setAttribute("aria-pressed", name === chosen());
        return item;
      });
      if (!items.length) items.push(element("li", { class: "dy-none" }, "none"));
      if (items.some((item, at) => list.children[at] !== item) || list.children.length !== items.length)
        list.replaceChildren(...items);
    };

    const repositories = column("repositories", "repositories");
    const tags = column("tags", "tags");
    const parts = column("parts", "what the tag leads to");
    const complaint = element("div", { class: "dy-complaint", role: "status" });
    const open = element("pre", { class: "dy-open dy-mono", tabindex: "0", role: "region" });
    const again = element("button", { type: "button", class: "dy-again" }, "Look again");
    again.addEventListener("click", () => ask({ again: true }));
    view.body.after(complaint, open, again);

    view.on(["complaint"], () => {
      complaint.textContent = model.get("complaint");
      complaint.hidden = !complaint.textContent;
    });
    view.on(["repositories", "repository"], () =>
      fill(repositories, model.get("repositories"), () => model.get("repository"), (name) =>
        ask({ repository: name })));
    view.on(["tags", "reference", "repository"], () => {
      tags.parentNode.hidden = !model.get("repository");
      fill(tags, model.get("tags"), () => model.get("reference"), (tag) => ask({ reference: tag }));
    });
    view.on(["manifest", "blob"], () => {
      const manifest = model.get("manifest");
      const blob = model.get("blob");
      parts.parentNode.hidden = !manifest.kind;
      open.hidden = !blob.digest;
      if (!manifest.kind) return;
      const said = JSON.stringify(manifest);
      if (parts.said !== said) {
        parts.said = said;
        const about = element("b", {}, manifest.about);
        const head = element("li", { class: "dy-manifest", tabindex: "-1" }, about);
        for (const line of [manifest.type, manifest.digest])
          head.append(element("div", { class: "dy-fine dy-mono" }, line));
        const items = manifest.parts.map((part) => {
          const button = element("button", { type: "button", class: "dy-part" });
          const size = element("span", { class: "dy-size" }, `${sizeOf(part.size)}${part.kind === "layer" ? " packed" : ""}`);
          const digest = element("span", { class: "dy-fine dy-mono" }, `${part.digest.slice(0, 19)}…`);
          button.append(element("b", {}, part.label), size, digest);
          const message = part.kind === "manifest" ? { reference: part.digest } : { blob: part.digest };
          button.addEventListener("click", () => ask(message));
          return element("li", { "data-key": part.digest }, button);
        });
        // The chosen platform is replaced by its parts; the focus stays next to them.
        const within = parts.contains(document.activeElement);
        parts.replaceChildren(head, ...items);
        if (within) head.focus();
      }
      for (const item of parts.querySelectorAll("[data-key]"))
        item.firstChild.setAttribute("aria-pressed", item.dataset.key === blob.digest);
      if (!blob.digest) return;
      const more = blob.more ? [`… and ${blob.more} more`] : [];
      open.textContent = [`${blob.kind}: ${blob.about}`, ...blob.lines, ...more].join("\n");
      open.setAttribute("aria-label", `The ${blob.kind}`);
    });
    view.on(["looking"], () => {
      for (const button of view.root.querySelectorAll("button"))
        button.setAttribute("aria-disabled", model.get("looking"));
    });
    return view.close;
  },
};
