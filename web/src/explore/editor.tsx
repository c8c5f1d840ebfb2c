import { autocompletion, closeBrackets, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { sql, StandardSQL } from "@codemirror/lang-sql";
import { bracketMatching, HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { Compartment, EditorState } from "@codemirror/state";
import { EditorView, highlightActiveLine, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { useEffect, useRef } from "preact/hooks";
import type { Table } from "../api/explore";
import { t } from "../i18n";

interface EditorProps {
  /** the text to begin with; another object puts its text into the editor, which else keeps its own */
  given: { sql: string };
  tables: readonly Table[];
  changed: (text: string) => void;
  run: () => void;
}

const THEME = EditorView.theme({
  "&": { color: "var(--text)", backgroundColor: "var(--surface)", fontSize: "13px", height: "100%" },
  "&.cm-focused": { outline: "2px solid var(--accent)", outlineOffset: "-2px" },
  ".cm-content": { fontFamily: "var(--mono, monospace)", caretColor: "var(--text)" },
  ".cm-gutters": { backgroundColor: "var(--surface-2)", color: "var(--text-2)", border: "0" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "var(--hover)" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "var(--accent-soft)" },
  ".cm-tooltip": { backgroundColor: "var(--surface)", color: "var(--text)", border: "1px solid var(--line-2)" },
  ".cm-tooltip-autocomplete > ul > li[aria-selected]": { backgroundColor: "var(--accent)", color: "var(--surface)" },
});
const COLOURS = HighlightStyle.define([
  { tag: tags.keyword, color: "var(--accent)", fontWeight: "600" },
  { tag: [tags.string, tags.number, tags.bool, tags.null], color: "var(--series-3)" },
  { tag: tags.comment, color: "var(--text-2)", fontStyle: "italic" },
]);

/** The SQL editor. It lives in a shadow root, where CodeMirror's styles need no inline style that the page's policy forbids. */
export function Editor({ given, tables, changed, run }: EditorProps) {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const schema = useRef(new Compartment());
  const latest = useRef({ changed, run });
  latest.current = { changed, run };
  useEffect(() => {
    const root = host.current!.shadowRoot ?? host.current!.attachShadow({ mode: "open" });
    const editor = new EditorView({
      root,
      parent: root,
      state: EditorState.create({
        doc: given.sql,
        extensions: [
          keymap.of([{ key: "Mod-Enter", run: () => (latest.current.run(), true) }, ...completionKeymap, ...defaultKeymap, ...historyKeymap]),
          lineNumbers(),
          history(),
          bracketMatching(),
          closeBrackets(),
          autocompletion(),
          highlightActiveLine(),
          syntaxHighlighting(COLOURS),
          schema.current.of(sql({ dialect: StandardSQL })),
          EditorView.contentAttributes.of({ "aria-label": t("explore.editor") }),
          EditorView.updateListener.of((update) => update.docChanged && latest.current.changed(update.state.doc.toString())),
          EditorView.lineWrapping,
          THEME,
        ],
      }),
    });
    view.current = editor;
    const keep = (event: KeyboardEvent) => event.stopPropagation(); // what is typed here is no shortcut of the page
    host.current!.addEventListener("keydown", keep);
    return () => editor.destroy();
  }, []);
  useEffect(() => {
    const known = Object.fromEntries(tables.map((one) => [one.name, one.columns.map((column) => ({ label: column.name, detail: column.type, type: "property" }))]));
    view.current?.dispatch({ effects: schema.current.reconfigure(sql({ dialect: StandardSQL, schema: known, upperCaseKeywords: true })) });
  }, [tables]);
  useEffect(() => {
    const editor = view.current;
    if (editor && editor.state.doc.toString() !== given.sql) editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: given.sql } });
  }, [given]);
  return <div class="sql-editor" ref={host} />;
}
