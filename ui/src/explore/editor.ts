/** The PromQL editor: highlighting, completion from this server, and marks under mistakes. */

import {
  autocompletion,
  closeBrackets,
  closeBracketsKeymap,
  closeCompletion,
  completionKeymap,
  completionStatus,
} from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { bracketMatching, HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { EditorState, Prec } from "@codemirror/state";
import { drawSelection, EditorView, keymap, placeholder } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { PromQLExtension } from "@prometheus-io/codemirror-promql";

const HIGHLIGHT = HighlightStyle.define([
  { tag: tags.variableName, color: "var(--text)" },
  { tag: [tags.function(tags.variableName), tags.operatorKeyword], color: "var(--code-function)" },
  { tag: [tags.modifier, tags.keyword], color: "var(--code-keyword)" },
  { tag: tags.labelName, color: "var(--code-label)" },
  { tag: tags.string, color: "var(--code-string)" },
  { tag: tags.number, color: "var(--code-number)" },
  { tag: tags.comment, color: "var(--text-muted)", fontStyle: "italic" },
]);

/** Series that ended longer ago are not offered. */
const LOOKBACK_MS = 12 * 3600 * 1000;

export interface EditorOptions {
  readonly label: string;
  readonly text: string;
  /** Called when the reader asks for an answer with Enter. */
  readonly onRun: () => void;
}

export class PromqlEditor {
  readonly #view: EditorView;
  readonly #promql = new PromQLExtension();

  constructor({ label, text, onRun }: EditorOptions) {
    this.#promql.setComplete({ remote: { url: "", httpMethod: "GET", lookbackInterval: LOOKBACK_MS } });
    const run = (view: EditorView): boolean => {
      closeCompletion(view);
      onRun();
      return true;
    };
    this.#view = new EditorView({
      state: EditorState.create({
        doc: text,
        extensions: [
          Prec.high(keymap.of([{ key: "Mod-Enter", run }])),
          // Enter takes the chosen completion first, and runs the query where there is none.
          keymap.of([
            ...closeBracketsKeymap,
            ...completionKeymap,
            { key: "Enter", run },
            ...defaultKeymap,
            ...historyKeymap,
          ]),
          history(),
          drawSelection(),
          bracketMatching(),
          closeBrackets(),
          autocompletion({ icons: false }),
          // What was looked up while the reader left would open over what they went to.
          EditorView.updateListener.of(({ view }) => {
            if (!view.hasFocus && completionStatus(view.state) === "active") closeCompletion(view);
          }),
          placeholder("A PromQL expression, such as rate(node_cpu_seconds_total[1m])"),
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ "aria-label": label }),
          syntaxHighlighting(HIGHLIGHT),
          this.#promql.asExtension(),
        ],
      }),
    });
  }

  get element(): HTMLElement {
    return this.#view.dom;
  }

  get text(): string {
    return this.#view.state.doc.toString();
  }

  set text(text: string) {
    if (text === this.text) return;
    this.#view.dispatch({ changes: { from: 0, to: this.#view.state.doc.length, insert: text } });
  }

  focus(): void {
    this.#view.focus();
  }

  destroy(): void {
    this.#promql.destroy();
    this.#view.destroy();
  }
}
