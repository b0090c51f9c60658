/** One objective: what was left of its budget over the period, how fast it is spent, and who is told. */

import "../styles/slos.css";

import { isAlerting, readAlerts, type Alert, type Snapshot } from "../alerts/model";
import { badge, emptyCard, type AlertsView } from "../alerts/parts";
import { serverNow } from "../api/client";
import { Plot } from "../chart/plot";
import { fill, h, setText } from "../dom/element";
import { spellExplore } from "../explore/state";
import { formatValue } from "../format/units";
import { alertLinks, alertsOf, spellObjective, spellRate } from "./list";
import { idOf, LEFT, readBurnDown, readObjectives, toneOf, type Objective } from "./model";

const HEIGHT = 260;
const BURN_DOWN_EVERY_S = 60;

export class ObjectiveDetail implements AlertsView {
  readonly title: string;
  readonly #id: string;
  readonly #head = h("header", { class: "detail-head" });
  readonly #facts = h("div", { class: "detail-facts" });
  readonly #plot = new Plot({ label: "What was left of the error budget", unit: "ratio", height: HEIGHT });
  readonly #note = h("p", { class: "muted graph-note" });
  readonly #chart = h(
    "section",
    { class: "card", "aria-label": "Error budget", hidden: true },
    h("h2", {}, "What was left of the error budget"),
    this.#plot.element,
    this.#note,
  );
  readonly #rates = h("section", { class: "card", "aria-label": "Burn rates", hidden: true });
  readonly #alerts = h("section", { class: "card", "aria-label": "Alerts", hidden: true });
  readonly elements = [this.#head, this.#facts, this.#chart, this.#rates, this.#alerts];
  #drawnAt = 0;
  #shape = "";

  constructor(id: string) {
    this.#id = id;
    this.title = id;
    fill(this.#head, h("h1", {}, id));
  }

  destroy(): void {
    this.#plot.destroy();
  }

  async refresh(signal: AbortSignal): Promise<void> {
    const [objectives, snapshot] = await Promise.all([readObjectives(signal), readAlerts(signal)]);
    const one = objectives.find(({ id }) => id === this.#id);
    this.#draw(one, snapshot);
    const now = serverNow();
    if (one && now - this.#drawnAt >= BURN_DOWN_EVERY_S) await this.#drawChart(one, now, signal);
  }

  #draw(one: Objective | undefined, snapshot: Snapshot): void {
    const alerts = alertsOf(this.#id, snapshot.alerts);
    const shape = JSON.stringify([one, alerts.map(({ key, state }) => [key, state])]);
    if (shape === this.#shape) return;
    this.#shape = shape;
    const back = h("a", { href: "/slos", class: "back" }, "← Objectives");
    this.#rates.hidden = this.#alerts.hidden = this.#chart.hidden = one === undefined;
    if (!one) {
      fill(this.#head, back, h("h1", {}, this.#id));
      const text = "No series of it were recorded within minutes: it was taken out, renamed, or is new.";
      fill(this.#facts, emptyCard("No such objective", text));
      return;
    }
    const { service, name, left } = one;
    const tone = toneOf(left);
    const word = { bad: "budget spent", warn: "nearly spent", good: "within budget", none: "no events" }[
      tone
    ];
    fill(this.#head, back, h("h1", {}, service ? `${service} · ${name}` : name), badge(word, tone));
    fill(
      this.#facts,
      h("p", { class: "muted" }, spellObjective(one)),
      h(
        "p",
        {},
        h("strong", { class: "number budget-left" }, formatValue(left, "ratio")),
        " of the error budget is left",
      ),
    );
    fill(this.#rates, ...ratesOf(one));
    fill(this.#alerts, ...this.#alertsPart(alerts, snapshot));
  }

  #alertsPart(alerts: readonly Alert[], { groups }: Snapshot): HTMLElement[] {
    const names = new Set(
      groups.flatMap(({ rules }) =>
        rules
          .filter(isAlerting)
          .filter(({ query, labels }) => idOf(labels) === this.#id || query.includes(`"${this.#id}"`))
          .map(({ name }) => name),
      ),
    );
    return [
      h("h2", {}, "Its alerts"),
      alerts.length > 0
        ? h("ul", { class: "preview-list" }, ...alertLinks(alerts))
        : h("p", { class: "muted" }, "None is active."),
      ...(names.size > 0 ? [h("p", { class: "muted" }, `Rules: ${[...names].join(", ")}`)] : []),
    ];
  }

  async #drawChart({ periodDays }: Objective, now: number, signal: AbortSignal): Promise<void> {
    const { grid, lines } = await readBurnDown(periodDays, now, signal);
    this.#drawnAt = now;
    const line = lines.get(this.#id);
    setText(this.#note, line ? "" : "Nothing was recorded yet.");
    this.#plot.draw(grid, line ? [{ ...line, name: "left", color: "series-1", order: 0 }] : []);
  }
}

/** How fast the budget is spent, over each window. */
function ratesOf({ id, idLabel, burnRates }: Objective): HTMLElement[] {
  const selector = `{${idLabel}=${JSON.stringify(id)}}`;
  const queries = [`slo:current_burn_rate:ratio${selector}`, `${LEFT}${selector}`];
  return [
    h(
      "div",
      { class: "group-head" },
      h("h2", {}, "How fast it is spent"),
      h("span", { class: "muted" }, "×1 spends the whole budget in just the period"),
      h("a", { href: `/explore?${spellExplore({ queries })}` }, "Explore"),
    ),
    h(
      "div",
      { class: "table-scroll" },
      h(
        "table",
        { class: "table burn-rates" },
        h("thead", {}, h("tr", {}, ...burnRates.map(({ window }) => h("th", { scope: "col" }, window)))),
        h(
          "tbody",
          {},
          h("tr", {}, ...burnRates.map(({ rate }) => h("td", { class: "number" }, spellRate(rate)))),
        ),
      ),
    ),
  ];
}
