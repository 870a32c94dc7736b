// A drill: goal, what the daemon shows, buttons. form.js is in front of this.

const MARKS = { done: "✓ Done. ", "not yet": "○ Not yet. ", ended: "" };

export default {
  render({ model, el }) {
    const root = frame(el, "Drill");
    const title = element("div", { class: "dy-title" });
    const goal = element("p", { class: "dy-goal" });
    const said = element("div", { class: "dy-said", role: "status", "aria-live": "polite" });
    const way = element("pre", { "aria-label": "A solution", tabindex: "0" });
    const counts = element("div", { class: "dy-counts" });
    const button = (words, does) => {
      const made = element("button", { type: "button" }, words);
      made.addEventListener("click", () => {
        if (does === "next") said.replaceChildren("The next one is being set up …");
        model.send({ do: does });
      });
      return made;
    };
    const next = button("Next", "next");
    const show = button("Show me", "show");
    const end = button("End", "end");
    const buttons = element("div", { class: "dy-buttons" }, next, show, end);
    root.append(title, goal, said, way, buttons, counts);
    const done = follow(
      model,
      ["name", "lesson", "goal", "state", "said", "way", "counts", "trouble"],
      () => {
        const state = model.get("state");
        title.replaceChildren(`Drill ${model.get("name")}`, ` (lesson ${model.get("lesson")})`);
        title.hidden = !model.get("name");
        goal.replaceChildren(...prose(model.get("goal")));
        goal.hidden = state === "ended";
        root.dataset.state = state;
        const mark = element("strong", {}, MARKS[state]);
        said.replaceChildren(mark, ...prose(model.get("trouble") || model.get("said")));
        said.classList.toggle("dy-right", state === "done");
        way.textContent = model.get("way");
        way.hidden = !model.get("way");
        next.replaceChildren(state === "not yet" ? "Skip" : "Next");
        hide(show, state !== "not yet", next);
        hide(end, state === "ended", next);
        counts.replaceChildren(model.get("counts"));
      },
    );
    const unseen = seen(model);
    return () => {
      done();
      unseen();
    };
  },
};
