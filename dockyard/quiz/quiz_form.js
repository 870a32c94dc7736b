// The questions of a lesson. form.js is in front of this.

function verdict(answer, trouble) {
  const parts = [
    element(
      "p",
      {},
      element("strong", {}, answer.right ? "✓ Right. " : `✗ Not ${answer.chosen}. `),
      ...prose(answer.note),
    ),
    element("p", { class: "dy-try" }, "Try it: let the daemon settle it, in a cell that begins with ",
      element("code", {}, "%%bash")),
    element("pre", {}, answer.settle),
  ];
  if (trouble) parts.push(element("p", {}, trouble));
  return parts;
}

export default {
  render({ model, el }) {
    const root = frame(el, "Questions");
    const title = element("div", { class: "dy-title" }, model.get("title"));
    root.append(title);
    const undo = [];
    model.get("questions").forEach((question, at) => {
      const asked = choices(`${at + 1}. ${question.ask}`, question.options, "Check", (letter) => {
        asked.said.replaceChildren("…");
        model.send({ question: question.name, chosen: letter });
      });
      asked.form.dataset.question = question.name;
      root.append(asked.form);
      let shown = null;
      undo.push(
        follow(model, ["answers", "trouble"], () => {
          const answer = model.get("answers")[question.name];
          const waits = asked.said.textContent === "…";
          if (!answer || (JSON.stringify(answer) === shown && !waits)) return;
          shown = JSON.stringify(answer);
          // A page that was loaded anew shows what was answered before.
          const radio = asked.form.querySelector(`input[value="${answer.chosen}"]`);
          radio.checked = true;
          mark(asked.form, answer.chosen, answer.right);
          asked.said.replaceChildren(...verdict(answer, model.get("trouble")));
        }),
      );
    });
    return () => undo.forEach((each) => each());
  },
};
