/* The course in JupyterLab's left side bar.
 *
 * A prebuilt extension without a build: JupyterLab calls init() and get() below as it calls those of
 * a container that webpack made (webpack, "Module Federation": dynamic remote containers). */
(() => {
  "use strict";
  const NAME = "dockyard-course";
  const WHILE_SETTING_UP = 1500;
  const OTHERWISE = 10000;
  const BETWEEN_TASKS = 2500;
  const BETWEEN_NEWS = 10000;
  /** Without these plugins no view appears, and cells do not behave as the pages say. */
  const NEEDED = [
    "@jupyter-widgets/jupyterlab-manager:plugin", "anywidget:plugin", "dockyard-cells:plugin",
  ];
  /** As it was at first: JupyterLab changes it when it opens a page. */
  const ADDRESS = location.pathname;

  const STYLE = `
    #${NAME} { min-width: 300px; overflow-y: auto; padding: 8px 0; background: var(--jp-layout-color1);
      color: var(--jp-ui-font-color1); font-size: var(--jp-ui-font-size1); line-height: 1.4; }
    .lm-TabBar-tab[data-dockyard-lab] .lm-TabBar-tabLabel::before { content: "Lab "; }
    #${NAME} .dockyard-setup { margin: 0 12px 8px; overflow-wrap: anywhere; }
    #${NAME} .dockyard-setup p { margin: 0 0 4px; }
    #${NAME} .dockyard-setup progress { width: 100%; accent-color: var(--jp-brand-color1); }
    #${NAME} .dockyard-setup[data-failed] { padding: 8px; border-radius: 3px;
      border-left: 4px solid var(--jp-error-color1); background: var(--jp-layout-color2); }
    #${NAME} ol { list-style: none; margin: 0; padding: 0; }
    #${NAME} li { display: flex; align-items: stretch; border-left: 4px solid transparent; }
    #${NAME} li[data-open] { border-left-color: var(--jp-brand-color1);
      background: var(--jp-layout-color2); }
    #${NAME} button { font: inherit; color: inherit; background: none; border: 0; cursor: pointer;
      text-align: left; padding: 5px 8px; }
    #${NAME} button:hover { background: var(--jp-layout-color3); }
    #${NAME} button:focus-visible { outline: 2px solid var(--jp-brand-color1);
      outline-offset: -2px; }
    #${NAME} .dockyard-lesson { flex: 1; }
    #${NAME} .dockyard-lesson span { white-space: nowrap; color: var(--jp-ui-font-color2); }
    #${NAME} .dockyard-lab { flex: none; width: 76px; text-decoration: underline; }
    #${NAME} .dockyard-terminal { margin: 0 12px 8px; border: 1px solid var(--jp-border-color1);
      border-radius: 3px; }
    #${NAME} li[data-open] { flex-wrap: wrap; }
    #${NAME} .dockyard-tasks { flex: 1 0 100%; list-style: none; margin: 0; padding: 0 8px 8px;
      box-sizing: border-box; min-width: 0; }
    #${NAME} .dockyard-tasks li { display: block; border: 0; padding: 3px 0 3px 22px;
      text-indent: -22px; background: none; overflow-wrap: anywhere; }
    #${NAME} .dockyard-tasks li::before { content: "○"; display: inline-block; width: 22px;
      text-indent: 0; }
    #${NAME} .dockyard-tasks li[data-done]::before { content: "✔"; color: var(--jp-success-color1); }
    #${NAME} .dockyard-tasks li[data-done] { color: var(--jp-ui-font-color2); }
    #${NAME} .dockyard-tasks code { font-family: var(--jp-code-font-family); text-indent: 0; }
    #${NAME} .dockyard-classroom { margin: 0 12px 8px; overflow-wrap: anywhere; }
    #${NAME} .dockyard-classroom p, #${NAME} .dockyard-classroom ul { margin: 0 0 4px; }
    #${NAME} .dockyard-classroom li { display: list-item; border: 0; }
    #${NAME} .dockyard-classroom ul { list-style: disc; padding-left: 20px; }
    #${NAME} .dockyard-classroom button { border: 1px solid var(--jp-border-color1);
      border-radius: 3px; margin: 0 4px 4px 0; }
    #${NAME} .dockyard-hint { padding: 8px; border-left: 4px solid var(--jp-brand-color1);
      background: var(--jp-layout-color2); }
    #${NAME} .dockyard-said { position: absolute; clip-path: inset(50%); height: 1px; width: 1px;
      overflow: hidden; white-space: nowrap; }
    /* A wide table breaks words before it becomes wider than the page. */
    .jp-RenderedMarkdown { overflow-wrap: anywhere; }
    .jp-RenderedMarkdown :is(td, th):first-child { overflow-wrap: break-word; }`;

  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "onclick") made.onclick = value;
      else if (value !== undefined) made.setAttribute(name, value);
    }
    made.append(...children);
    return made;
  }

  /** The text of a goal, in which commands and names stand between backticks. */
  function withCode(text) {
    return text.split("`").map((part, at) => (at % 2 ? element("code", {}, part) : part));
  }

  /** Ask the server; with a body, tell it something. */
  async function ask(settings, what, body) {
    const headers = settings.token ? { Authorization: `token ${settings.token}` } : {};
    const xsrf = document.cookie.match(/(?:^|; )_xsrf=([^;]*)/);
    if (body && xsrf) headers["X-XSRFToken"] = decodeURIComponent(xsrf[1]);
    const answer = await fetch(`${settings.baseUrl}dockyard/${what}`, {
      headers, cache: "no-store", credentials: "same-origin",
      ...(body && { method: "POST", body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`the course's side bar: status ${answer.status}`);
    return answer.json();
  }

  /** Load the page once more if a script of an extension did not arrive; whether it does so.
   *
   * Chromium drops what it is loading when this computer gets an address, as it does when the engine
   * starts or makes a network. JupyterLab then goes on without that extension. */
  function loadAgain(app) {
    const again = `${NAME}:again`;
    if (NEEDED.every((plugin) => app.hasPlugin(plugin))) {
      sessionStorage.removeItem(again);
      return false;
    }
    if (sessionStorage.getItem(again)) return false;
    sessionStorage.setItem(again, "yes");
    location.reload();
    return true;
  }

  class Panel {
    constructor(app, node) {
      this.app = app;
      this.shown = "";
      this.folder = "";
      this.setup = element("div", { class: "dockyard-setup", role: "status" });
      this.list = element("ol");
      this.tasks = element("ul", { class: "dockyard-tasks", "aria-label": "Tasks of this page" });
      this.done = undefined;
      this.labs = new Set();
      this.said = element("p", { class: "dockyard-said", role: "status" });
      this.hint = element("div", { role: "status" });
      this.classroom = element("section", { class: "dockyard-classroom", "aria-label": "Classroom" });
      const terminal = element(
        "button",
        { class: "dockyard-terminal", title: "docker reaches the course's engine there",
          onclick: () => this.openTerminal() },
        "Open a terminal beside the page",
      );
      node.append(
        element("style", {}, STYLE),
        this.setup,
        this.hint,
        this.classroom,
        terminal,
        element("nav", { "aria-label": "Lessons and labs" }, this.list),
        this.said,
      );
    }

    open(path) {
      void this.app.commands.execute("docmanager:open", { path });
    }

    async openTerminal() {
      const { shell, commands } = this.app;
      const page = shell.currentWidget;
      // The folder in which a lesson or lab works, once it has begun; terminal.bash looks at it.
      // Absolute: the server would look for a relative one in its own working folder first.
      const [, inside, stem] = page?.context?.path?.match(/^(.*\/)?([^/]*)\.ipynb$/) ?? [];
      const cwd = `${this.folder}/${inside ?? ""}${stem ? `work/${stem}` : ""}`;
      const { name } = await this.app.serviceManager.terminals.startNew({ cwd });
      const terminal = await commands.execute("terminal:create-new", { name });
      if (page) shell.add(terminal, "main", { mode: "split-right", ref: page.id });
    }

    /** Open the first lesson when nothing is open, as after a start without a page in the address. */
    begin(course) {
      // JupyterLab is about to open the page that the address names.
      if (ADDRESS.includes("/tree/")) return;
      const open = [...this.app.shell.widgets("main")];
      const first = course.pages.find(({ lesson }) => lesson);
      if (first && open.every(({ id }) => id.startsWith("launcher"))) this.open(first.lesson);
    }

    /** Show what the server has said; nothing is drawn anew as long as it says the same. */
    show(course) {
      const text = JSON.stringify(course);
      if (text === this.shown) return;
      this.shown = text;
      this.folder = course.folder;
      this.labs = new Set(course.pages.map(({ lab }) => lab));
      this.showSetup(course.setup);
      const focused = document.activeElement?.dataset?.path;
      this.list.replaceChildren(...course.pages.map((page) => this.item(page)));
      if (focused) this.list.querySelector(`[data-path="${focused}"]`)?.focus();
      this.mark();
    }

    showSetup({ running, line, share, failure }) {
      const failed = !running && failure.length > 0;
      this.setup.toggleAttribute("data-failed", failed);
      if (failed) {
        this.setup.replaceChildren(...failure.map((each) => element("p", {}, each)));
      } else if (running) {
        const text = `Getting ready: ${line || "the Docker engine"}`;
        const bar = element("progress", { max: 1, value: share, "aria-label": "Getting ready" });
        this.setup.replaceChildren(element("p", {}, text), bar);
      } else {
        this.setup.replaceChildren();
      }
    }

    /** Show the teacher's hint, and the buttons with which a learner agrees and asks for help. */
    showClassroom(news) {
      const text = JSON.stringify(news);
      if (text === this.newsShown) return;
      this.newsShown = text;
      const { teacher, agreed, help, hint, shared, not_shared: notShared, said } = news;
      this.hint.replaceChildren(...(hint
        ? [element("p", { class: "dockyard-hint" }, `Your teacher says: ${hint}`)] : []));
      if (!teacher) return this.classroom.replaceChildren();
      const button = (label, act) => element("button", { onclick: () => this.press(act) }, label);
      const told = said ? [element("p", {}, said.split("\n")[0])] : [];
      if (agreed) {
        this.classroom.replaceChildren(
          help ? button("I go on by myself", "unask") : button("Ask the teacher for help", "ask"),
          button("Stop sharing", "revoke"),
          ...told,
        );
      } else {
        this.classroom.replaceChildren(
          element("p", {}, "Nothing of yours is shared. If you agree, your teacher sees:"),
          element("ul", {}, ...shared.map((each) => element("li", {}, each))),
          element("p", {}, notShared),
          button("Share with my teacher", "agree"),
          ...told,
        );
      }
    }

    async press(act) {
      const page = this.path() ?? this.marked ?? "";
      const { serverSettings } = this.app.serviceManager;
      this.showClassroom(await ask(serverSettings, "classroom", { do: act, page }));
    }

    item({ number, title, minutes, lesson, lab, done, of }) {
      const made = element("li");
      const main = lesson ?? lab;
      const name = [`${number} ${title}`, element("span", {}, minutes ? ` · ${minutes} min` : "")];
      if (main) {
        made.append(element("button",
          { class: "dockyard-lesson", "data-path": main, onclick: () => this.open(main) }, ...name));
      }
      if (lab) {
        const tasks = of && done === of ? "✓" : `${done}/${of}`;
        made.append(element("button", {
          class: "dockyard-lab", "data-path": lab, onclick: () => this.open(lab),
          "aria-label": `Lab ${number}: ${done} of ${of} tasks done`,
        }, `Lab ${tasks}`));
      }
      return made;
    }

    /** The path of the page that is in front; undefined for a terminal, say. */
    path() {
      return this.app.shell.currentWidget?.context?.path;
    }

    /** The tasks of an open page, by name, at which the learner has arrived.
     *
     * What comes before a task can look like its end: a container is healthy before the page breaks
     * it, too. So the last code cell before the task must have run. */
    reached(path) {
      const page = [...this.app.shell.widgets("main")].find(({ context }) => context?.path === path);
      const cells = [...(page?.content?.model?.cells ?? [])];
      const code = cells.filter(({ type }) => type === "code");
      const isTurn = (cell) => (cell.getMetadata("tags") ?? []).includes("your-turn");
      return code.flatMap((cell, at) => {
        const name = /^%check ([\w-]+)\s*$/.exec(cell.sharedModel.source)?.[1];
        const before = code.slice(0, at).findLast((each) => !isTurn(each));
        const ran = before?.executionCount && before.executionState !== "running";
        return name && ran ? [name] : [];
      });
    }

    /** Show the tasks of a page below its entry, and say which ones have become done. */
    showTasks(path, tasks) {
      const done = tasks.filter((task) => task.done).map(({ name }) => name);
      if (this.done?.path === path) {
        const news = done.filter((name) => !this.done.names.includes(name));
        if (news.length) this.said.textContent = `Done: ${news.join(", ")}.`;
      }
      this.done = { path, names: done };
      const shown = JSON.stringify([path, tasks]);
      if (shown === this.tasksShown) return;
      this.tasksShown = shown;
      this.tasks.replaceChildren(...tasks.map((task) => {
        const item = element("li", {}, ...withCode(task.goal));
        item.toggleAttribute("data-done", task.done);
        item.append(element("span", { class: "dockyard-said" }, task.done ? " (done)" : " (to do)"));
        return item;
      }));
      this.mark();
    }

    /** Mark the entry of the page that is in front, and the tabs of labs. */
    mark() {
      // A lesson and its lab have the same file name. (To change a tab's label renames its file.)
      for (const { context, title } of this.app.shell.widgets("main")) {
        if (this.labs.has(context?.path)) title.dataset = { ...title.dataset, "dockyard-lab": "true" };
      }
      // With a terminal in front, the page beside it stays marked.
      const path = this.path() ?? this.marked;
      this.marked = path;
      this.tasks.remove();
      for (const item of this.list.children) {
        const open = [...item.children].some((button) => button.dataset.path === path);
        item.toggleAttribute("data-open", open);
        if (open && this.done?.path === path && this.tasks.children.length) item.append(this.tasks);
        for (const button of item.children) {
          if (button.dataset.path === path) button.setAttribute("aria-current", "page");
          else button.removeAttribute("aria-current");
        }
      }
    }
  }

  async function activate(app, shared) {
    if (loadAgain(app)) return;
    const versions = Object.values(shared["@lumino/widgets"]);
    const { Widget } = (await versions[0].get())();
    const widget = new Widget();
    widget.id = NAME;
    widget.title.label = "Course";
    widget.title.caption = "Lessons and labs";
    app.shell.add(widget, "left", { rank: 1 });
    const panel = new Panel(app, widget.node);
    app.shell.currentChanged?.connect(() => panel.mark());
    void app.restored.then(() => app.shell.activateById(NAME));
    const follow = async () => {
      let pause = OTHERWISE;
      if (widget.isVisible && !document.hidden) {
        try {
          const course = await ask(app.serviceManager.serverSettings, "course");
          if (!panel.shown) panel.begin(course);
          panel.show(course);
          if (course.setup.running) pause = WHILE_SETTING_UP;
        } catch {
          // The server has stopped, or the connection is gone; JupyterLab says so itself.
          pause = OTHERWISE;
        }
      }
      setTimeout(follow, pause);
    };
    void app.restored.then(follow);
    const followTasks = async () => {
      const path = panel.path() ?? panel.marked;
      if (widget.isVisible && !document.hidden && path?.endsWith(".ipynb")) {
        try {
          const { serverSettings } = app.serviceManager;
          const asked = new URLSearchParams({ page: path, reached: panel.reached(path).join() });
          panel.showTasks(path, await ask(serverSettings, `tasks?${asked}`));
        } catch {
          // As above.
        }
      }
      setTimeout(followTasks, BETWEEN_TASKS);
    };
    void app.restored.then(followTasks);
    const followNews = async () => {
      if (widget.isVisible && !document.hidden) {
        try {
          panel.showClassroom(await ask(app.serviceManager.serverSettings, "classroom"));
        } catch {
          // As above.
        }
      }
      setTimeout(followNews, BETWEEN_NEWS);
    };
    void app.restored.then(followNews);
  }

  let shared;
  window._JUPYTERLAB ??= {};
  window._JUPYTERLAB[NAME] = {
    init: (scope) => { shared = scope; },
    get: async () => () => ({
      __esModule: true,
      default: { id: `${NAME}:panel`, autoStart: true, activate: (app) => activate(app, shared) },
    }),
  };
})();
