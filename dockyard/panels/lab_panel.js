// The tasks of a lab, one of them open. form.js is in front of this.

// A hint: words, and behind a blank line the commands.
function hintParts(hint) {
  const [words, ...commands] = hint.split("\n\n");
  const code = commands.join("\n\n");
  return [
    element("p", { class: "dy-hint" }, ...prose(words)),
    ...(code ? [element("pre", { tabindex: "0" }, code)] : []),
  ];
}

export default {
  render({ model, el }) {
    const root = frame(el, model.get("title"));
    const title = element("div", { class: "dy-title" }, model.get("title"));
    const progress = element("progress", { "aria-label": "Tasks done", max: 1, value: 0 });
    const count = element("span", {});
    const bar = element("div", { class: "dy-progress" }, progress, count);
    const list = element("ol", { class: "dy-tasks" });
    const said = element("div", { class: "dy-said", role: "status", "aria-live": "polite" });
    root.append(title, bar, list, said);
    const made = new Map();

    // A task: its parts are made once and filled again, so that focus and open parts stay.
    const build = ({ name }) => {
      const mark = element("span", { class: "dy-mark" });
      const head = element("summary", {}, mark);
      const words = element("span", {});
      head.append(words);
      const goal = element("p", { class: "dy-goal" });
      const state = element("p", { class: "dy-state" });
      const hints = element("div", { class: "dy-hints", "aria-live": "polite" });
      const button = element("button", { type: "button" }, "Hint");
      button.addEventListener("click", () => {
        state.replaceChildren("…");
        model.send({ hint: name });
      });
      const row = element("div", { class: "dy-buttons" }, button);
      const box = element("details", { "data-task": name }, head, goal, state, hints, row);
      return { mark, words, goal, state, hints, button, box, item: element("li", {}, box) };
    };

    let atHand = null;
    const fill = () => {
      const tasks = model.get("tasks");
      const next = tasks.find((task) => !task.done)?.name;
      for (const task of tasks) {
        if (!made.has(task.name)) {
          made.set(task.name, build(task));
          list.append(made.get(task.name).item);
        }
        const parts = made.get(task.name);
        parts.mark.textContent = task.done ? "✔ " : "○ ";
        parts.mark.setAttribute("role", "img");
        parts.mark.setAttribute("aria-label", task.done ? "done" : "not done");
        parts.words.replaceChildren(...prose(task.title));
        parts.goal.replaceChildren(...prose(task.goal));
        const now = task.said || (task.done ? "Done." : "");
        parts.state.replaceChildren(element("strong", {}, now ? "Now: " : ""), ...prose(now));
        parts.item.toggleAttribute("data-done", task.done);
        parts.button.replaceChildren(task.done ? "Other ways" : "Hint");
        const shown = task.hints.join("\n\n\n");
        if (parts.hints.dataset.shown !== shown) {
          parts.hints.dataset.shown = shown;
          parts.hints.replaceChildren(...task.hints.flatMap(hintParts));
        }
        // The task at hand opens, and closes when it is done, unless somebody is reading in it.
        if (next !== atHand && !parts.box.contains(document.activeElement)) {
          parts.box.open = task.name === next;
        }
      }
      atHand = next;
      progress.max = tasks.length || 1;
      progress.value = model.get("count");
      count.replaceChildren(`${model.get("count")} of ${tasks.length} tasks done`);
      const words = model.get("trouble") || model.get("announced");
      if (said.textContent !== words) said.replaceChildren(words);
    };
    const done = follow(model, ["tasks", "count", "announced", "trouble"], fill);
    const unseen = seen(model);
    return () => {
      done();
      unseen();
    };
  },
};
