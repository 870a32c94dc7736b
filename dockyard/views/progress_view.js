// Pulls and builds: a row with a progress bar per step. view.js is prepended.

const SIGNS = { waits: "○", works: "▶", done: "✔", kept: "=", failed: "✖" };

function fillStep(row, step) {
  const { sign, name, note, took, bar } = row.parts;
  row.className = `dy-step dy-is-${step.state}`;
  row.dataset.state = step.state;
  sign.textContent = SIGNS[step.state];
  name.textContent = step.name;
  note.textContent = step.note;
  took.textContent = step.took;
  bar.hidden = step.part === null;
  if (step.part !== null) bar.value = step.state === "kept" ? 1 : step.part;
}

function makeStep(step) {
  const row = element("li", { "data-key": step.key });
  const parts = {
    sign: element("span", { class: "dy-sign", "aria-hidden": "true" }),
    name: element("span", { class: "dy-name dy-mono" }),
    note: element("span", { class: "dy-note" }),
    took: element("span", { class: "dy-took" }),
    bar: element("progress", { max: 1, "aria-label": step.name }),
  };
  row.parts = parts;
  row.append(parts.sign, parts.name, parts.note, parts.took, parts.bar);
  return row;
}

// A cell shows the same work twice: while it runs, and as the cell's value. Only the first one, which
// has made the announcements, stays visible. This script is loaded once per piece of work, so
// these are all of its views.
const shown = new Set();

function showFirst() {
  const present = [...shown].filter((root) => root.isConnected);
  for (const root of present) {
    const cell = root.closest(".jp-OutputArea");
    const precedes = (other) =>
      root.compareDocumentPosition(other) & Node.DOCUMENT_POSITION_PRECEDING &&
      other.closest(".jp-OutputArea") === cell;
    root.hidden = present.some(precedes);
    // JupyterLab leaves room for an output without a height.
    const output = root.closest(".jp-OutputArea-child");
    if (output) output.style.display = root.hidden ? "none" : "";
  }
}

export default {
  render({ model, el }) {
    const view = frame(model, el, { picture: false });
    view.root.classList.add("dockyard-progress");
    const list = element("ol", { "aria-labelledby": `${view.id}-title` });
    const output = element("pre", { class: "dy-output" });
    const result = element("div", { class: "dy-end" });
    view.body.append(list, output, result);

    // Fires when the view is on the page, which is after this function has returned.
    const place = new IntersectionObserver(showFirst);
    place.observe(view.root);
    shown.add(view.root);
    const early = !model.get("done");

    view.on(["steps"], () => {
      const rows = new Map([...list.children].map((row) => [row.dataset.key, row]));
      for (const step of model.get("steps")) {
        let row = rows.get(step.key);
        if (!row) {
          row = makeStep(step);
          list.append(row);
          if (early) mark(row, "dy-new");
        } else if (row.dataset.state !== step.state) mark(row, "dy-changed");
        fillStep(row, step);
      }
    });
    view.on(["output"], () => {
      output.textContent = model.get("output") ?? "";
      output.hidden = !output.textContent;
    });
    view.on(["result", "failed"], () => {
      const failed = model.get("failed");
      result.className = `dy-end ${failed ? "dy-fails" : "dy-works"}`;
      result.hidden = !model.get("result");
      const sign = element("span", { "aria-hidden": "true" }, failed ? "✖ " : "✔ ");
      result.replaceChildren(sign, model.get("result"));
    });
    return () => {
      place.disconnect();
      shown.delete(view.root);
      view.close();
      showFirst();
    };
  },
};
