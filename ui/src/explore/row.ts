/** One query of the explore page: its editor, and what became of it. */

import { fill, h, icon } from "../dom/element";
import { formatSeconds } from "../format/units";
import { explain } from "../shell/problem";
import { PromqlEditor } from "./editor";

/** How a query went: nothing yet, under way, answered, or refused. */
export type Outcome =
  | { readonly kind: "idle" }
  | { readonly kind: "running" }
  | {
      readonly kind: "answered";
      readonly series: number;
      readonly seconds: number;
      readonly warnings: readonly string[];
    }
  | { readonly kind: "refused"; readonly error: unknown };

export interface RowOptions {
  readonly name: string;
  readonly text: string;
  readonly onRun: () => void;
  readonly onRemove: () => void;
}

export class QueryRow {
  readonly element: HTMLElement;
  readonly #editor: PromqlEditor;
  readonly #status = h("div", { class: "row-status muted" });
  readonly #messages = h("div", { class: "row-messages", "aria-live": "polite" });

  constructor({ name, text, onRun, onRemove }: RowOptions) {
    this.#editor = new PromqlEditor({ label: `Query ${name}`, text, onRun });
    this.element = h(
      "div",
      { class: "query-row" },
      h("span", { class: "row-name", "aria-hidden": "true" }, name),
      h("div", { class: "row-editor" }, this.#editor.element),
      this.#status,
      h(
        "button",
        {
          type: "button",
          class: "button button-icon row-remove",
          "aria-label": `Remove query ${name}`,
          title: "Remove",
          onclick: onRemove,
        },
        icon("M6 6l12 12M18 6L6 18"),
      ),
      this.#messages,
    );
  }

  get text(): string {
    return this.#editor.text;
  }

  set text(text: string) {
    this.#editor.text = text;
  }

  focus(): void {
    this.#editor.focus();
  }

  show(outcome: Outcome): void {
    this.element.dataset["outcome"] = outcome.kind;
    // The last figures stay while the next are on their way, so that a refresh does not blink.
    if (outcome.kind === "running") return;
    const answered = outcome.kind === "answered";
    fill(this.#status, answered && `${outcome.series} series · ${formatSeconds(outcome.seconds)}`);
    fill(
      this.#messages,
      outcome.kind === "refused" &&
        h("p", { class: "message message-error", role: "alert" }, explain(outcome.error)),
      ...(answered ? outcome.warnings.map((text) => h("p", { class: "message message-warning" }, text)) : []),
    );
  }

  destroy(): void {
    this.#editor.destroy();
    this.element.remove();
  }
}
