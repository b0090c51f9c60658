/** One alert in the list, in three lines: what, how bad and for how long; why; where and to whom. */

import { h, fill, setText } from "../dom/element";
import type { Row } from "../dom/keyed";
import { formatNumber } from "../format/units";
import { matchersOf, type Matcher } from "./matchers";
import { alertAddress, severityOf, type Alert } from "./model";
import { chips, isWebLink, severityBadge, showFor, stateBadge, webLink } from "./parts";
import { silenceAddress } from "./silence";

export interface ShownAlert {
  readonly alert: Alert;
  /** Where the list is narrowed to a label. */
  readonly address: (matcher: Matcher) => string;
}

export class AlertRow implements Row<ShownAlert> {
  readonly element: HTMLElement;
  readonly #state = h("span", { class: "slot" });
  readonly #since = h("span", { class: "number alert-since" });
  readonly #value = h("span", { class: "number alert-value" });
  readonly #summary = h("p", { class: "alert-summary" });
  readonly #marks = h("span", { class: "alert-marks muted" });
  readonly #runbook = h("span", { class: "slot" });
  readonly #chips: HTMLElement;

  constructor({ name, labels }: Alert) {
    const severity = severityOf(labels);
    this.#chips = chips(labels, () => "");
    this.element = h(
      "article",
      { class: "card alert", "data-tone": severity.tone, "aria-label": name },
      h(
        "div",
        { class: "alert-head" },
        h("h2", {}, h("a", { href: alertAddress({ name, labels }) }, name)),
        severityBadge(severity),
        this.#state,
        this.#since,
        this.#value,
      ),
      this.#summary,
      h(
        "div",
        { class: "alert-foot" },
        this.#chips,
        this.#marks,
        h(
          "span",
          { class: "alert-links" },
          this.#runbook,
          h("a", { href: silenceAddress(matchersOf(labels)), "aria-label": `Silence ${name}` }, "Silence"),
        ),
      ),
    );
  }

  update({ alert, address }: ShownAlert): void {
    const { state, since, value, annotations, labels } = alert;
    this.element.dataset["state"] = state;
    if (this.#state.textContent !== state) fill(this.#state, stateBadge(state));
    showFor(this.#since, since);
    setText(this.#value, value === null ? "" : `value ${formatNumber(value)}`);
    const text = textOf(annotations);
    setText(this.#summary, text);
    this.#summary.hidden = text === "";
    setText(this.#marks, describeWay(alert));
    const runbook = annotations["runbook_url"] ?? "";
    if (this.#runbook.dataset["href"] !== runbook)
      fill(this.#runbook, isWebLink(runbook) && webLink(runbook, "Runbook"));
    this.#runbook.dataset["href"] = runbook;
    for (const link of this.#chips.querySelectorAll<HTMLAnchorElement>("a[data-label]")) {
      const name = link.dataset["label"]!;
      link.href = address({ name, op: "=", value: labels[name]! });
    }
  }
}

/** The annotation that says in a line what is wrong. */
export const textOf = (annotations: Alert["annotations"]): string =>
  annotations["summary"] ?? annotations["message"] ?? annotations["description"] ?? "";

/** Who is told of an alert, or why nobody is. */
export function describeWay({ state, receivers, silencedBy, inhibitedBy, mutedBy, group }: Alert): string {
  const told = state === "suppressed" ? "would go to" : "to";
  return [
    receivers.length > 0 && `${told} ${receivers.join(", ")}`,
    silencedBy.length > 0 && `silenced by ${silencedBy.map((id) => id.slice(0, 8)).join(", ")}`,
    inhibitedBy.length > 0 &&
      `inhibited by ${inhibitedBy.length} other ${inhibitedBy.length === 1 ? "alert" : "alerts"}`,
    mutedBy.length > 0 && `muted by ${mutedBy.join(", ")}`,
    group && `rule group ${group}`,
  ]
    .filter(Boolean)
    .join(" · ");
}
