// The network map: the picture, and a form to try a connection. view.js is prepended.

function choose(select, names) {
  const chosen = select.value;
  select.replaceChildren(...names.map((name) => element("option", { value: name }, name)));
  if (names.includes(chosen)) select.value = chosen;
}

export default {
  render({ model, el }) {
    const view = frame(model, el);
    view.root.classList.add("dockyard-network-map");
    const field = (label, control) => element("label", {}, `${label} `, control);
    const source = element("select", { name: "source" });
    const target = element("select", { name: "target" });
    const port = element("input", { name: "port", type: "number", min: 1, max: 65535, value: 80 });
    const button = element("button", { type: "submit" }, "Try");
    const form = element("form", { class: "dy-try", "aria-label": "Try a connection" });
    form.append("Try a connection", field("from", source), field("to", target));
    form.append(field("port", port), button);
    const result = element("div", { class: "dy-result", role: "status" });
    view.body.after(form, result);

    // Keep keys typed here from triggering JupyterLab's shortcuts.
    form.addEventListener("keydown", (event) => event.stopPropagation());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (model.get("trying")) return;
      model.send({ try: [source.value, target.value, port.value] });
      result.textContent = `Trying ${source.value} → ${target.value} …`;
      result.className = "dy-result";
    });
    target.addEventListener("change", () => {
      const chosen = model.get("containers").find((each) => each.name === target.value);
      const first = chosen && chosen.ports.find((each) => each.inside.endsWith("/tcp"));
      if (first) port.value = parseInt(first.inside, 10);
    });

    view.on(["containers"], () => {
      const names = model.get("containers").map((each) => each.name);
      const before = target.value;
      choose(source, names);
      choose(target, names);
      if (!before && names.length > 1) target.value = names[1];
      form.hidden = names.length === 0;
    });
    view.on(["trying"], () => button.setAttribute("aria-disabled", model.get("trying")));
    view.on(["attempt", "complaint"], () => {
      const attempt = model.get("attempt");
      const said = model.get("complaint") || attempt.text;
      if (!said) return;
      const good = !model.get("complaint") && attempt.works;
      result.className = `dy-result ${good ? "dy-works" : "dy-fails"}`;
      const [first, ...rest] = said.split("\n");
      const sign = element("span", { "aria-hidden": "true" }, good ? "✔ " : "✖ ");
      const head = element("div", { class: "dy-verdict" }, sign, first);
      result.replaceChildren(head, ...rest.map((line) => element("div", {}, line)));
      mark(result, "dy-changed");
    });
    return view.close;
  },
};
