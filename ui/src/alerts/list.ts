/** What is wrong at the moment: every alert, the worst first. */

import { fill, h, setText } from "../dom/element";
import { KeyedList, type Row } from "../dom/keyed";
import { formatNumber } from "../format/units";
import {
  readList,
  selects,
  spellList,
  withFilter,
  withoutFilter,
  type ListState,
  type Shown,
} from "./filters";
import { matchersOf, spellMatcher } from "./matchers";
import {
  alertAddress,
  isAlerting,
  readAlerts,
  severityOf,
  silenceAddress,
  sortAlerts,
  type Alert,
  type Snapshot,
} from "./model";
import {
  chips,
  emptyCard,
  isWebLink,
  severityBadge,
  showAgo,
  stateBadge,
  webLink,
  type AlertsView,
} from "./parts";

const TILES: readonly [shown: Shown, name: string, meaning: string][] = [
  ["firing", "Firing", "people are told"],
  ["pending", "Pending", "not yet for long enough"],
  ["suppressed", "Suppressed", "silenced, inhibited or muted"],
  ["inactive", "Inactive", "rules that find nothing"],
];

export class AlertList implements AlertsView {
  title = "Alerts";
  #state: ListState = readList(location.search);
  #snapshot: Snapshot | undefined;
  readonly #counts = TILES.map(([shown, name, meaning]) => this.#tile(shown, name, meaning));
  readonly #search = h("input", {
    type: "search",
    placeholder: "Search names, labels and texts",
    "aria-label": "Search alerts",
    value: this.#state.search,
    oninput: () => this.#find(),
  });
  readonly #filters = h("ul", { class: "chips" });
  readonly #rows = h("div", { class: "alert-list" });
  readonly #list = new KeyedList<Alert>(
    this.#rows,
    ({ key }) => key,
    (alert) => new AlertRow(alert, (one) => spellList(withFilter(this.#state, one))),
  );
  readonly #inactive = h("ul", { class: "card inactive", hidden: true });
  readonly #empty = h("div");
  readonly elements = [
    h("h1", { class: "visually-hidden" }, "Alerts"),
    h("div", { class: "counts" }, ...this.#counts.map(({ element }) => element)),
    h("div", { class: "alert-tools" }, this.#search, this.#filters),
    this.#rows,
    this.#inactive,
    this.#empty,
  ];

  async refresh(signal: AbortSignal): Promise<void> {
    this.#snapshot = await readAlerts(signal);
    this.#draw();
  }

  #tile(shown: Shown, name: string, meaning: string): { element: HTMLElement; number: HTMLElement } {
    const number = h("strong", { class: "number" }, "–");
    const on = this.#state.state === shown;
    const href = spellList({ ...this.#state, state: on ? null : shown });
    const element = h(
      "a",
      { class: "count", href, "data-state": shown, "aria-current": on ? "true" : null },
      number,
      h("span", {}, name),
      h("small", { class: "muted" }, meaning),
    );
    return { element, number };
  }

  /** The address follows what is typed, without a step back for each letter. */
  #find(): void {
    this.#state = { ...this.#state, search: this.#search.value.trim() };
    history.replaceState(null, "", spellList(this.#state));
    this.#draw();
  }

  #draw(): void {
    if (!this.#snapshot) return;
    const { alerts, groups } = this.#snapshot;
    const rules = groups.flatMap((group) => group.rules.filter(isAlerting));
    const selected = alerts.filter((alert) => selects(this.#state, alert));
    const inactive = rules.filter((rule) => rule.state === "inactive");
    TILES.forEach(([shown], index) => {
      const size =
        shown === "inactive" ? inactive.length : selected.filter(({ state }) => state === shown).length;
      const { element, number } = this.#counts[index]!;
      setText(number, String(size));
      element.dataset["any"] = String(size > 0);
    });
    const firing = alerts.filter(({ state }) => state === "firing").length;
    this.title = firing > 0 ? `(${firing}) Alerts` : "Alerts";
    const wanted = this.#state.state;
    const shown = selected.filter(({ state }) => wanted === null || state === wanted);
    this.#list.draw(sortAlerts(shown));
    this.#drawFilters();
    this.#inactive.hidden = wanted !== "inactive" || inactive.length === 0;
    fill(
      this.#inactive,
      ...inactive.map(({ name, query }) =>
        h(
          "li",
          {},
          h("a", { href: `/alerts/alert/${encodeURIComponent(name)}` }, name),
          h("code", { class: "muted" }, query),
        ),
      ),
    );
    this.#drawEmpty(shown.length > 0 || !this.#inactive.hidden, alerts.length, rules.length);
  }

  #drawFilters(): void {
    fill(
      this.#filters,
      ...this.#state.filters.map((one) => {
        const text = spellMatcher(one);
        return h(
          "li",
          {},
          h(
            "a",
            {
              class: "chip chip-on",
              href: spellList(withoutFilter(this.#state, one)),
              "aria-label": `Remove filter ${text}`,
            },
            `${text} ×`,
          ),
        );
      }),
    );
  }

  #drawEmpty(any: boolean, alerts: number, rules: number): void {
    if (any) fill(this.#empty);
    else if (alerts > 0 && (this.#state.filters.length > 0 || this.#state.search))
      fill(
        this.#empty,
        emptyCard(
          "Nothing matches",
          "No alert has what you look for. ",
          h("a", { href: "/alerts" }, "Show all"),
        ),
      );
    else if (rules === 0 && alerts === 0)
      fill(
        this.#empty,
        emptyCard(
          "No alerting rules yet",
          "Write rules into a file, name it under rule_files in the configuration, and reload. " +
            "Prometheus' rule files work as they are, and other servers can post alerts to /api/v2/alerts.",
        ),
      );
    else
      fill(
        this.#empty,
        emptyCard(
          this.#state.state ? `Nothing is ${this.#state.state}` : "All is well",
          `${rules} alerting ${rules === 1 ? "rule watches" : "rules watch"} this server's data.`,
        ),
      );
  }
}

class AlertRow implements Row<Alert> {
  readonly element: HTMLElement;
  readonly #state = h("span");
  readonly #since = h("span", { class: "number" });
  readonly #value = h("span", { class: "number alert-value" });
  readonly #summary = h("p", { class: "alert-summary" });
  readonly #marks = h("p", { class: "alert-marks muted" });

  constructor(alert: Alert, address: Parameters<typeof chips>[1]) {
    const { name, labels, annotations } = alert;
    const severity = severityOf(labels);
    const runbook = annotations["runbook_url"] ?? "";
    this.element = h(
      "article",
      { class: "card alert", "data-tone": severity.tone, "aria-label": name },
      h(
        "div",
        { class: "alert-head" },
        h("h2", {}, h("a", { href: alertAddress(alert) }, name)),
        severityBadge(severity),
        this.#state,
        h("span", { class: "alert-since" }, this.#since),
        this.#value,
      ),
      this.#summary,
      this.#marks,
      h(
        "div",
        { class: "alert-foot" },
        chips(labels, address),
        h(
          "span",
          { class: "alert-links" },
          isWebLink(runbook) && webLink(runbook, "Runbook"),
          h("a", { href: silenceAddress(matchersOf(labels)), "aria-label": `Silence ${name}` }, "Silence"),
        ),
      ),
    );
  }

  update(alert: Alert): void {
    const { state, since, value, annotations } = alert;
    this.element.dataset["state"] = state;
    if (this.#state.textContent !== state) fill(this.#state, stateBadge(state));
    showAgo(this.#since, since);
    setText(this.#value, value === null ? "" : `value ${formatNumber(value)}`);
    const text = annotations["summary"] ?? annotations["message"] ?? annotations["description"] ?? "";
    setText(this.#summary, text);
    this.#summary.hidden = text === "";
    setText(this.#marks, describeWay(alert));
    this.#marks.hidden = this.#marks.textContent === "";
  }
}

/** Who is told of an alert, or why nobody is. */
export function describeWay({ receivers, silencedBy, inhibitedBy, mutedBy, group }: Alert): string {
  return [
    receivers.length > 0 && `to ${receivers.join(", ")}`,
    silencedBy.length > 0 && `silenced by ${silencedBy.map((id) => id.slice(0, 8)).join(", ")}`,
    inhibitedBy.length > 0 &&
      `inhibited by ${inhibitedBy.length} other ${inhibitedBy.length === 1 ? "alert" : "alerts"}`,
    mutedBy.length > 0 && `muted by ${mutedBy.join(", ")}`,
    group && `rule group ${group}`,
  ]
    .filter(Boolean)
    .join(" · ");
}
