/** What one does about an incident: take it, give it to somebody, say something, end it. */

import type { Outcome } from "../alerts/parts";
import { h, fill } from "../dom/element";
import { act, actionsOf, type Action, type Deed, type Incident } from "./model";

/** Who acts is remembered in this browser; the form of silences asks for the same. */
const WHO = "veriscope.creator";
const NAMES: Record<Action, string> = {
  acknowledge: "Acknowledge",
  resolve: "Resolve",
  reopen: "Reopen",
  comment: "Comment",
  assign: "Assign",
};
const DONE: Record<Action, string> = {
  acknowledge: "Acknowledged.",
  resolve: "Resolved.",
  reopen: "Open again.",
  comment: "Said.",
  assign: "Assigned.",
};

export class DeedForm {
  readonly #id: string;
  readonly #outcome: Outcome;
  readonly #after: () => Promise<void>;
  readonly #by = h("input", { id: "deed-by", required: true, autocomplete: "name" });
  readonly #text = h("textarea", { id: "deed-text", rows: 2 });
  readonly #to = h("input", { id: "deed-to", autocomplete: "off" });
  readonly #buttons = h("div", { class: "form-buttons" });
  readonly element: HTMLElement;

  constructor(id: string, outcome: Outcome, after: () => Promise<void>) {
    this.#id = id;
    this.#outcome = outcome;
    this.#after = after;
    this.#by.value = localStorage.getItem(WHO) ?? "";
    const field = (label: string, input: HTMLElement): HTMLElement =>
      h("div", { class: "field" }, h("label", { for: input.id }, label), input);
    this.element = h(
      "form",
      { class: "card deeds", hidden: true, onsubmit: (event) => event.preventDefault() },
      h("div", { class: "deed-names" }, field("Who are you?", this.#by), field("Assign to", this.#to)),
      field("What is to be said?", this.#text),
      this.#buttons,
      outcome.element,
    );
  }

  /** Offer what can be done with `incident` as it is now; what one has typed stays. */
  show({ state, assignee }: Incident): void {
    this.element.hidden = false;
    this.#to.placeholder = assignee || "nobody yet";
    const [first, ...rest] = actionsOf(state);
    fill(
      this.#buttons,
      this.#button(first!, "button button-primary"),
      ...[...rest, "assign" as const].map((action) => this.#button(action, "button")),
    );
  }

  #button(action: Action, style: string): HTMLElement {
    return h("button", { type: "button", class: style, onclick: () => this.#do(action) }, NAMES[action]);
  }

  #do(action: Action): void {
    const to = this.#to.value.trim();
    const text = this.#text.value.trim();
    this.#to.setCustomValidity(action === "assign" && !to ? "Write who is to have it." : "");
    this.#text.setCustomValidity(action === "comment" && !text ? "Write what is to be said." : "");
    const form = this.element as HTMLFormElement;
    if (!form.reportValidity()) return;
    const by = this.#by.value.trim();
    localStorage.setItem(WHO, by);
    const deed: Deed = { by, ...(action === "assign" ? { to } : {}), ...(text ? { text } : {}) };
    void this.#outcome.of(async () => {
      await act(this.#id, action, deed);
      this.#text.value = "";
      if (action === "assign") this.#to.value = "";
      await this.#after();
      return DONE[action];
    });
  }
}
