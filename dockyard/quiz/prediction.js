// What a cell's output will be. form.js is in front of this.

const ASK_AGAIN = 5000;
const OUTCOME_AFTER = 1000;

function outcomeWords({ chosen, right, note }, trouble) {
  if (!chosen) return [element("p", {}, "Skipped: here is the output.")];
  const said = right
    ? [element("strong", {}, "✓ As you said: "), `${chosen}. The output is below.`]
    : [element("strong", {}, `✗ You said ${chosen}. `), ...prose(note), " The output is below."];
  const parts = [element("p", {}, ...said)];
  if (trouble) parts.push(element("p", {}, trouble));
  return parts;
}

export default {
  render({ model, el }) {
    const root = frame(el, "Your prediction");
    let asking;
    let ends;
    const decide = (letter) => {
      asked.said.replaceChildren(model.get("running") ? "Noted; the cell still runs …" : "…");
      for (const button of asked.buttons.children) button.disabled = true;
      model.send({ chosen: letter });
      // What the kernel says while the connection is made anew is lost; it says it again when asked.
      asking = setInterval(() => model.send({ chosen: letter }, { iopub: { status } }), ASK_AGAIN);
    };
    // After a connection made anew, the page may have another model for this form, which hears the
    // outcome in place of this one. The kernel is done with the message then, and shows the output.
    const status = ({ content }) => {
      if (content.execution_state !== "idle") return;
      ends = setTimeout(() => {
        clearInterval(asking);
        asked.said.replaceChildren("Noted. The output is below.");
      }, OUTCOME_AFTER);
    };
    const asked = choices("Your prediction", model.get("options"), "Show the output", decide);
    const skip = element("button", { type: "button", class: "dy-skip" }, "Skip");
    skip.addEventListener("click", () => decide(""));
    asked.buttons.append(skip);
    root.append(asked.form);
    const end = follow(model, ["outcome", "trouble"], () => {
      const outcome = model.get("outcome");
      if (!("chosen" in outcome)) return;
      clearInterval(asking);
      clearTimeout(ends);
      // A button that goes away must not take the reader's place in the page with it.
      const here = root.contains(document.activeElement);
      asked.buttons.hidden = true;
      for (const radio of asked.form.querySelectorAll("input")) {
        radio.checked = radio.value === outcome.chosen;
        radio.disabled = true;
      }
      mark(asked.form, outcome.chosen, outcome.right);
      asked.said.replaceChildren(...outcomeWords(outcome, model.get("trouble")));
      if (here) {
        asked.said.tabIndex = -1;
        asked.said.focus();
      }
    });
    return () => {
      clearInterval(asking);
      clearTimeout(ends);
      end();
    };
  },
};
