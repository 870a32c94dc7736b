/* Colours the shell commands of cells as shell, keeps tables of output whole, and opens the
 * terminals of %terminal.
 *
 * JupyterLab colours a whole code cell as Python. A prebuilt extension without a build: JupyterLab
 * calls init() and get() below as it calls those of a container that webpack made (webpack, "Module
 * Federation": dynamic remote containers). */
(() => {
  "use strict";
  const NAME = "dockyard-cells";
  /** The comm target of dockyard/notebook/terminal_magic.py. */
  const TERMINAL = "dockyard-terminal";

  // Cell magics that run the rest of the cell as a cell.
  const AROUND = /^\s*%%(?:trace|predict|time|timeit|capture)\b/;
  const SCRIPT = /^\s*%%(?:bash|sh|sx|system|!|script\s+(?:--?\S+\s+)*(?:\/\S*\/)?(?:ba|da|z)?sh\b)/;
  const LINE = /^\s*(?:[\w\s,.*[\]'"]+=\s*)?(?:!!?|%(?:sx|system)\s)/;

  /** What stands before a command. Elsewhere, as in "docker exec", a word is only an argument. */
  const BEFORE = /(?:^|[;&|(`{!\n]|(?<![^\s;])(?:if|then|else|elif|while|until|do|time|sudo)\s)\s*$/;
  const WORD = /(?<![^\s;&|()`{])[\w./~-]+(?![^\s;&|()`}])/g;
  const BEFORE_IN = /(?<!\S)(?:for|select|case)\s+\S+\s+$/;

  /** The head of a table as docker and other programs print it: words in capitals, in columns. */
  const TABLE = /^[A-Z][A-Z ()/%]*?(?: {2,}[A-Z][A-Z ()/%]*?){2,} *$/m;

  /** The colours of the notebook's theme, by the style tags of the shell's parser. */
  const COLOURS = {
    plain: "variable", keyword: "keyword", builtin: "builtin", string: "string", comment: "comment",
    number: "number", option: "attribute", variable: "def", operator: "operator", meta: "meta",
  };

  /** Where the text of a cell is shell: a list of [from, to]. */
  function shellParts(text) {
    const found = [];
    let position = 0;
    let first = true;
    let from = null;
    for (const line of text.split("\n")) {
      const end = position + line.length;
      if (from === null && first && line.trim() && !AROUND.test(line)) {
        if (SCRIPT.test(line)) return end < text.length ? [[end + 1, text.length]] : [];
        first = false;
      }
      const start = from === null ? LINE.exec(line) : null;
      if (start) from = position + start[0].length;
      if (from !== null && !/\\\s*$/.test(line)) {
        found.push([from, end]);
        from = null;
      }
      position = end + 1;
    }
    if (from !== null) found.push([from, text.length]);
    return found;
  }

  function colouring(model, { state, view, highlight }, shell) {
    const { Decoration, ViewPlugin } = view;
    const { tagHighlighter, highlightTree, tags } = highlight;
    const refresh = state.StateEffect.define();
    const of = (part) => `${NAME}-${part}`;
    const highlighter = tagHighlighter([
      { tag: tags.keyword, class: of("keyword") },
      { tag: tags.standard(tags.variableName), class: of("builtin") },
      { tag: tags.string, class: of("string") },
      { tag: tags.comment, class: of("comment") },
      { tag: tags.number, class: of("number") },
      { tag: tags.attributeName, class: of("option") },
      { tag: tags.definition(tags.variableName), class: of("variable") },
      { tag: tags.operator, class: of("operator") },
      { tag: tags.meta, class: of("meta") },
    ]);
    const commands = [of("keyword"), of("builtin")];
    const marks = {};
    const mark = (name) => (marks[name] ??= Decoration.mark({ class: `${NAME} ${name}` }));

    function decorate(editor, parser) {
      const builder = new state.RangeSetBuilder();
      if (!parser || model.mimeType !== "text/x-ipython") return builder.finish();
      const text = editor.state.doc.toString();
      for (const [from, to] of shellParts(text)) {
        const part = text.slice(from, to);
        let done = 0;
        // Every character gets a mark, because Python's colours are below.
        const add = (until, name) => {
          if (until > done) builder.add(from + done, from + until, mark(name));
          done = Math.max(done, until);
        };
        const addPlain = (until) => {
          const start = done;
          for (const word of part.slice(start, until).matchAll(WORD)) {
            const position = start + word.index;
            if (!BEFORE.test(part.slice(0, position))) continue;
            add(position, of("plain"));
            add(position + word[0].length, of("builtin"));
          }
          add(until, of("plain"));
        };
        highlightTree(parser.parse(part), highlighter, (start, end, name) => {
          addPlain(start);
          const before = part.slice(0, start);
          const isCommand = BEFORE.test(before) || BEFORE_IN.test(before);
          // Of an address, such as 127.0.0.1:8080:80, the parser takes what is first for a number.
          const isPart = name === of("number") && /^[^\s;&|)]/.test(part.slice(end));
          add(end, isPart || (commands.includes(name) && !isCommand) ? of("plain") : name);
        });
        addPlain(part.length);
      }
      return builder.finish();
    }

    class Colours {
      constructor(editor) {
        this.parser = null;
        this.again = () => editor.dispatch({ effects: refresh.of(null) });
        this.decorations = Decoration.none;
        model.mimeTypeChanged.connect(this.again, this);
        void shell.then((parser) => {
          this.parser = parser;
          if (!this.destroyed) this.again();
        });
      }

      update({ docChanged, transactions, view: editor }) {
        const asked = transactions.some(({ effects }) => effects.some((each) => each.is(refresh)));
        if (docChanged || asked) this.decorations = decorate(editor, this.parser);
      }

      destroy() {
        this.destroyed = true;
        model.mimeTypeChanged.disconnect(this.again, this);
      }
    }

    // The lowest precedence makes the innermost elements, whose colour is seen.
    return state.Prec.lowest(ViewPlugin.fromClass(Colours, { decorations: (own) => own.decorations }));
  }

  function addStyle() {
    const style = document.createElement("style");
    const rules = Object.entries(COLOURS).map(
      ([part, colour]) => `.${NAME}.${NAME}-${part} { color: var(--jp-mirror-editor-${colour}-color); }`,
    );
    style.textContent =
      `.${NAME} { font-weight: normal; font-style: normal; text-decoration: none; }\n` +
      // JupyterLab marks the names of Python's builtins inside these elements.
      `.cm-content .${NAME}.${NAME} * { color: inherit; font-weight: inherit; }\n` +
      // JupyterLab breaks lines in the middle of words, and those of tables as well.
      ".jp-OutputArea .jp-RenderedText pre { word-break: normal; overflow-wrap: anywhere; }\n" +
      `.jp-OutputArea .jp-RenderedText.${NAME}-table { overflow-x: auto; }\n` +
      // A table gets smaller letters before it has to be scrolled. 80px are for the prompt, and a
      // letter of a monospaced font is 0.6 times as wide as high.
      ".jp-OutputArea { container-type: inline-size; }\n" +
      `.jp-OutputArea .jp-RenderedText.${NAME}-table pre { white-space: pre; font-size: clamp(` +
      "10px, (100cqi - 80px) / var(--dockyard-columns) / 0.61, var(--jp-code-font-size)); }\n" +
      // What a page says below an output stands apart from it, and under it.
      ".jp-OutputArea-output.jp-RenderedMarkdown { padding: 0.6em var(--jp-code-padding) 0; }\n" +
      rules.join("\n");
    document.head.append(style);
  }

  /** Text as JupyterLab shows it, but for tables, whose lines stay whole. */
  function addTables(registry, { RenderedText }) {
    class Text extends RenderedText {
      constructor(options) {
        super(options);
        this.type = options.mimeType;
      }

      async render(model) {
        const text = String(model.data[this.type]);
        const columns = Math.max(...text.split("\n").map(({ length }) => length));
        this.toggleClass(`${NAME}-table`, TABLE.test(text));
        this.node.style.setProperty("--dockyard-columns", columns);
        await super.render(model);
      }
    }
    for (const type of ["text/plain", "application/vnd.jupyter.stdout"]) {
      registry.addFactory({
        safe: true, mimeTypes: [type], createRenderer: (options) => new Text(options),
      }, registry.getRank(type) - 1);
    }
  }

  async function openTerminal(app, panel, { command }) {
    const terminal = await app.commands.execute("terminal:create-new");
    if (!panel.isDisposed) app.shell.add(terminal, "main", { mode: "split-right", ref: panel.id });
    const { content } = terminal;
    await content.ready;
    content.session.send({ type: "stdin", content: [`${command}\r`] });
    app.shell.activateById(terminal.id);
  }

  function listen(app, tracker) {
    const register = (panel, kernel) => {
      kernel?.registerCommTarget(TERMINAL, (comm, message) => {
        void openTerminal(app, panel, message.content.data);
      });
    };
    const follow = (panel) => {
      register(panel, panel.sessionContext.session?.kernel);
      panel.sessionContext.kernelChanged.connect((_, { newValue }) => register(panel, newValue));
    };
    tracker.forEach(follow);
    tracker.widgetAdded.connect((_, panel) => follow(panel));
  }

  let shared;

  async function library(name) {
    const [version] = Object.values(shared[name]);
    return (await version.get())();
  }

  async function plugin() {
    const [state, view, highlight, codemirror, notebook, rendermime] = await Promise.all([
      "@codemirror/state", "@codemirror/view", "@lezer/highlight", "@jupyterlab/codemirror",
      "@jupyterlab/notebook", "@jupyterlab/rendermime",
    ].map(library));
    const libraries = { state, view, highlight };
    return {
      id: `${NAME}:plugin`,
      autoStart: true,
      requires: [
        codemirror.IEditorExtensionRegistry,
        codemirror.IEditorLanguageRegistry,
        notebook.INotebookTracker,
        rendermime.IRenderMimeRegistry,
      ],
      activate: (app, extensions, languages, tracker, registry) => {
        addStyle();
        addTables(registry, rendermime);
        const shell = languages.getLanguage("text/x-sh").then(({ support }) => support.language.parser);
        extensions.addExtension({
          name: NAME,
          factory: ({ model }) => codemirror.EditorExtensionRegistry.createImmutableExtension(
            colouring(model, libraries, shell),
          ),
        });
        listen(app, tracker);
      },
    };
  }

  window._JUPYTERLAB ??= {};
  window._JUPYTERLAB[NAME] = {
    init: (scope) => { shared = scope; },
    get: async () => {
      const made = await plugin();
      return () => ({ __esModule: true, default: made });
    },
  };
})();
