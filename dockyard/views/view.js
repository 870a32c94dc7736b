// The code that all views share. The kernel prepends this file to the view's own script (see
// view.py), so scripts can use everything in it. There is no build step, and nothing from a CDN.

// Milliseconds for which a change is highlighted; view.css has the same time.
const LINGER = 1600;

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) {
      made.setAttribute(name, value === true ? "" : value);
    }
  }
  made.append(...children);
  return made;
}

// A size as Docker writes it, like human_size() in layer_stacks.py.
function sizeOf(bytes) {
  let number = bytes;
  for (const unit of ["B", "kB", "MB"]) {
    if (number < 999.5) return `${Number(number.toPrecision(3))} ${unit}`;
    number /= 1000;
  }
  return `${Number(number.toPrecision(3))} GB`;
}

// Calls change now and whenever one of the traits changes; for frame.on().
function follow(model, traits, change) {
  const events = traits.map((name) => `change:${name}`).join(" ");
  model.on(events, change);
  change();
  return () => model.off(events, change);
}

// Highlights a node for a while: view.css styles the class.
function mark(node, css) {
  node.classList.remove(css);
  void node.getBoundingClientRect(); // restarts the animation
  node.classList.add(css);
  setTimeout(() => node.classList.remove(css), LINGER);
}

// Removes a node from the page after it has been highlighted for a while.
function fade(node) {
  node.removeAttribute("data-key");
  node.setAttribute("aria-hidden", "true");
  node.classList.add("dy-gone");
  setTimeout(() => node.remove(), LINGER);
}

// Shows a picture in host; highlights groups with a data-key that are new, changed or removed.
function showPicture(host, svg) {
  const old = host.querySelector("svg");
  const next = new DOMParser().parseFromString(svg, "image/svg+xml").documentElement;
  const fresh = document.importNode(next, true);
  if (!old) {
    host.replaceChildren(fresh);
    return;
  }
  const before = new Map();
  for (const group of old.querySelectorAll("[data-key]")) {
    before.set(group.dataset.key, group);
  }
  old.replaceWith(fresh);
  for (const group of fresh.querySelectorAll("[data-key]")) {
    const was = before.get(group.dataset.key);
    before.delete(group.dataset.key);
    if (!was) mark(group, "dy-new");
    else if (was.textContent !== group.textContent || was.classList.value !== group.classList.value)
      mark(group, "dy-changed");
  }
  for (const group of before.values()) {
    fresh.append(group);
    fade(group);
  }
}

// The frame of a view: title, body, announcements, words. Returns its parts: body, which holds the
// picture unless that is switched off; on(traits, change), which follows traits; and close(), to
// be returned from render().
function frame(model, el, { picture = true } = {}) {
  // Random, because each view has a copy of this script and could not count the others.
  const id = `dockyard-${Math.random().toString(36).slice(2)}`;
  const title = element("div", { class: "dy-title", id: `${id}-title` });
  const body = element("div", { class: "dy-body" });
  const log = element("div", { class: "dy-log", role: "log", "aria-live": "polite" });
  log.setAttribute("aria-label", "What has changed");
  const words = element("pre", { class: "dy-words" });
  const fold = element("details", {}, element("summary", {}, "In words"), words);
  const root = element("section", { class: "dockyard-view", "aria-labelledby": title.id });
  root.append(title, body, log, fold);
  el.append(root);

  const undo = [];
  const on = (traits, change) => undo.push(follow(model, traits, change));

  on(["title", "connected"], () => {
    title.textContent = model.get("title");
    root.classList.toggle("dy-unconnected", !model.get("connected"));
    if (!model.get("connected")) title.append(" · the daemon does not answer");
  });
  on(["description"], () => (words.textContent = model.get("description")));

  if (picture) {
    // Wide pictures can be scrolled, so they must be reachable by keyboard.
    body.classList.add("dy-picture");
    body.tabIndex = 0;
    body.setAttribute("role", "group");
    body.setAttribute("aria-labelledby", title.id);
    on(["picture"], () => showPicture(body, model.get("picture")));
  }

  let heard = model.get("announced");
  on(["announced", "announcements"], () => {
    const count = model.get("announced");
    const news = model.get("announcements").slice(-Math.max(0, count - heard) || Infinity);
    if (count > heard) {
      for (const sentence of news) {
        const line = element("div", {}, sentence);
        log.append(line);
        mark(line, "dy-new");
      }
      while (log.children.length > 4) log.firstChild.remove();
    }
    heard = count;
  });

  // The kernel stops following the daemon for views that are not visible.
  model.send({ shown: id });
  const close = () => {
    model.send({ hidden: id });
    for (const each of undo) each();
  };
  return { id, root, title, body, log, on, close };
}
