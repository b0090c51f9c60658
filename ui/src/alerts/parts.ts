/** What the pages of alerting are made of. */

import type { Labels } from "../api/answers";
import { serverNow } from "../api/client";
import { h, setText } from "../dom/element";
import { formatDateTime } from "../format/time";
import { formatSeconds } from "../format/units";
import { explain } from "../shell/problem";
import { spellMatcher, type Matcher } from "./matchers";
import type { Severity, State } from "./model";

/** One of the pages below `/alerts`. */
export interface AlertsView {
  readonly title: string;
  readonly elements: readonly HTMLElement[];
  /** Show what the query of the address says now; who cannot is built anew. */
  readAddress?(): void;
  /** Ask the server anew and show what it says. */
  refresh(signal: AbortSignal): Promise<void>;
  destroy?(): void;
}

const STATE_TONES: Record<State, string> = { firing: "bad", pending: "warn", suppressed: "none" };

export function stateBadge(state: State): HTMLElement {
  return badge(state, STATE_TONES[state]);
}

export function severityBadge({ name, tone }: Severity): HTMLElement {
  return badge(name, tone);
}

export function badge(text: string, tone: string): HTMLElement {
  return h("span", { class: "badge", "data-tone": tone }, text);
}

/** Labels as chips, each a link that narrows the list to it. */
export function chips(labels: Labels, address: (matcher: Matcher) => string): HTMLElement {
  const names = Object.keys(labels).filter((name) => name !== "alertname");
  return h(
    "ul",
    { class: "chips", "aria-label": "Labels" },
    ...names.sort().map((name) => {
      const text = `${name}=${labels[name]!}`;
      const href = address({ name, op: "=", value: labels[name]! });
      return h("li", {}, h("a", { class: "chip", href, "data-label": name, title: `Only ${text}` }, text));
    }),
  );
}

/** Matchers as they are written. */
export function matcherList(matchers: readonly Matcher[]): HTMLElement {
  return h(
    "ul",
    { class: "chips" },
    ...matchers.map((one) => h("li", {}, h("code", { class: "chip" }, spellMatcher(one)))),
  );
}

/** `4 min 10 s ago`, or `in 2 h`. */
export function spellAgo(time: number): string {
  const passed = serverNow() - time;
  if (Math.abs(passed) < 1) return "now";
  return passed > 0 ? `${formatSeconds(Math.floor(passed))} ago` : `in ${formatSeconds(Math.ceil(-passed))}`;
}

/** Show in `element` how long ago `time` was, and on hovering when. */
export function showAgo(element: HTMLElement, time: number): void {
  setText(element, spellAgo(time));
  element.title = formatDateTime(time);
}

/** Show in `element` for how long something has been so, and on hovering since when. */
export function showFor(element: HTMLElement, since: number): void {
  setText(element, `for ${formatSeconds(Math.max(0, Math.floor(serverNow() - since)))}`);
  element.title = `since ${formatDateTime(since)}`;
}

/** A button that asks once more before it does what cannot be undone. */
export function sureButton(name: string, sure: string, act: () => Promise<void>): HTMLButtonElement {
  const reset = (): void => {
    delete button.dataset["sure"];
    setText(button, name);
  };
  const button = h(
    "button",
    {
      type: "button",
      class: "button button-small",
      onblur: reset,
      onclick: () => {
        if (button.dataset["sure"] !== undefined) {
          reset();
          void act();
        } else {
          button.dataset["sure"] = "";
          setText(button, sure);
        }
      },
    },
    name,
  );
  return button;
}

/** A line under what somebody has just done, for its outcome. */
export class Outcome {
  readonly element = h("p", { class: "outcome", role: "status", hidden: true });

  /** Do `act` and show what comes of it; returns whether it went well. */
  async of(act: () => Promise<string>): Promise<boolean> {
    try {
      this.#show(await act(), "good");
      return true;
    } catch (error) {
      this.#show(explain(error), "bad");
      return false;
    }
  }

  #show(text: string, tone: string): void {
    this.element.hidden = text === "";
    this.element.dataset["tone"] = tone;
    setText(this.element, text);
  }
}

/** A card for where there is nothing, with what to do about it. */
export function emptyCard(title: string, ...text: (string | Node)[]): HTMLElement {
  return h("div", { class: "card empty-card" }, h("h2", {}, title), h("p", { class: "muted" }, ...text));
}

/** Whether an annotation is a link that may be followed: only the web's own, never a script. */
export function isWebLink(text: string): boolean {
  return /^https?:\/\/\S+$/.test(text);
}

export function webLink(href: string, text: string): HTMLElement {
  return h("a", { href, target: "_blank", rel: "noopener noreferrer" }, text);
}
