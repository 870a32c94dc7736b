// What questions and predictions have in common on the page. The kernel puts this file in front of
// quiz_form.js or prediction.js (see form.py); no build step, nothing from a CDN.

let made = 0;

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// Text with `code` between backticks, as nodes.
function prose(words) {
  return words
    .split("`")
    .map((part, at) => (at % 2 ? element("code", {}, part) : part))
    .filter((part) => part !== "");
}

// The frame of all forms in a widget. Keys typed in it are meant for it: without this the arrow
// keys would move JupyterLab from cell to cell instead of choosing another option.
function frame(el, label) {
  const root = element("section", { class: "dockyard-form", "aria-label": label });
  root.setAttribute("data-lm-suppress-shortcuts", "true");
  root.addEventListener("keydown", (event) => {
    const ours = event.target.matches("input") && /^(Arrow|Enter| )/.test(event.key);
    const button = event.target.matches("button") && /^(Enter| )/.test(event.key);
    if (ours || button) event.stopPropagation();
  });
  el.append(root);
  return root;
}

// One question with its options and buttons; choose(letter) is called when one was chosen.
// The answer is written into `said`, which a screen reader reads out when it changes.
function choices(legend, options, action, choose) {
  made += 1;
  const group = `dockyard-choice-${made}`;
  const set = element("fieldset", {}, element("legend", {}, ...prose(legend)));
  for (const { letter, text } of options) {
    const radio = element("input", { type: "radio", name: group, value: letter });
    const words = element("span", {}, `${letter}) `, ...prose(text));
    set.append(element("label", { "data-letter": letter }, radio, words));
  }
  const button = element("button", { type: "submit" }, action);
  const buttons = element("div", { class: "dy-buttons" }, button);
  const said = element("div", { class: "dy-said", role: "status", "aria-live": "polite" });
  const form = element("form", {}, set, buttons, said);
  const chosen = () => form.querySelector("input:checked")?.value;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (chosen()) choose(chosen());
    else said.replaceChildren("Choose one first.");
  });
  // What was said belongs to the option that was chosen then.
  form.addEventListener("change", () => {
    said.replaceChildren();
    mark(form, "", false);
  });
  return { form, set, buttons, said, chosen };
}

// Marks the chosen option as right or wrong; letter "" takes the marks away.
function mark(form, letter, right) {
  for (const label of form.querySelectorAll("label")) {
    label.classList.toggle("dy-right", label.dataset.letter === letter && right);
    label.classList.toggle("dy-wrong", label.dataset.letter === letter && !right);
  }
}

// Hides a button, or shows it; the focus that it may have goes to another one, so that the reader
// keeps the place in the page.
function hide(button, hidden, other) {
  if (hidden && document.activeElement === button) other.focus();
  button.hidden = hidden;
}

// Tells the kernel that a panel is on the page; returns how to tell that it is not any more.
function seen(model) {
  made += 1;
  const name = `${Date.now()}-${made}`;
  model.send({ shown: name });
  return () => model.send({ hidden: name });
}

// Calls change now and whenever one of the traits changes; returns how to end that.
function follow(model, traits, change) {
  const events = traits.map((name) => `change:${name}`).join(" ");
  model.on(events, change);
  change();
  return () => model.off(events, change);
}
