/** Objectives: what is promised, how much of the error budget is left, and how fast it is spent. */

import "../styles/slos.css";

import { alertAddress, readAlerts, severityOf, type Alert } from "../alerts/model";
import { emptyCard, severityBadge, stateBadge, type AlertsView } from "../alerts/parts";
import { serverNow } from "../api/client";
import type { Grid, Line } from "../api/lines";
import { Sparkline } from "../chart/sparkline";
import { fill, h, setText } from "../dom/element";
import { KeyedList, type Row } from "../dom/keyed";
import { formatNumber, formatValue, NOTHING } from "../format/units";
import { idOf, objectiveAddress, readBurnDown, readObjectives, toneOf, type Objective } from "./model";

const PERIOD_DAYS = 30;
/** A month moves slowly. */
const BURN_DOWN_EVERY_S = 60;

interface ShownObjective extends Objective {
  readonly alerts: readonly Alert[];
  readonly burnDown: Line | undefined;
  readonly grid: Grid;
}

export class ObjectiveList implements AlertsView {
  readonly title = "Objectives";
  readonly #rows = h("div", { class: "receiver-grid" });
  readonly #list = new KeyedList<ShownObjective>(
    this.#rows,
    ({ id }) => id,
    (objective) => new ObjectiveCard(objective),
  );
  readonly #empty = h("div");
  readonly elements = [h("h1", {}, "Objectives"), this.#rows, this.#empty];
  #burnDown: Awaited<ReturnType<typeof readBurnDown>> | undefined;
  #burnDownAt = 0;

  async refresh(signal: AbortSignal): Promise<void> {
    const [objectives, { alerts }] = await Promise.all([readObjectives(signal), readAlerts(signal)]);
    const now = serverNow();
    if (objectives.length > 0 && now - this.#burnDownAt >= BURN_DOWN_EVERY_S) {
      this.#burnDown = await readBurnDown(PERIOD_DAYS, now, signal);
      this.#burnDownAt = now;
    }
    this.#list.draw(
      objectives.map((one) => ({
        ...one,
        alerts: alertsOf(one.id, alerts),
        burnDown: this.#burnDown?.lines.get(one.id),
        grid: this.#burnDown?.grid ?? { start: 0, end: 1, step: 1 },
      })),
    );
    this.#empty.hidden = objectives.length > 0;
    if (objectives.length === 0 && !this.#empty.firstChild)
      fill(
        this.#empty,
        emptyCard(
          "No objectives yet",
          "Write one in the format of Sloth or OpenSLO, name the file under slo_files in the configuration, " +
            "and reload: it is recorded, and people are told when its error budget is spent too fast.",
        ),
      );
  }
}

/** The alerts of an objective that are active. */
export const alertsOf = (id: string, alerts: readonly Alert[]): Alert[] =>
  alerts.filter(({ labels }) => idOf(labels) === id);

export const spellObjective = ({ objective, periodDays }: Objective): string =>
  `${+(objective * 100).toFixed(4)} % over ${periodDays} ${periodDays === 1 ? "day" : "days"}`;

export const spellRate = (rate: number | null | undefined): string =>
  rate === null || rate === undefined ? NOTHING : `×${formatNumber(rate)}`;

export function alertLinks(alerts: readonly Alert[]): HTMLElement[] {
  return alerts.map((alert) =>
    h(
      "li",
      {},
      stateBadge(alert.state),
      h("a", { href: alertAddress(alert) }, alert.name),
      severityBadge(severityOf(alert.labels)),
    ),
  );
}

class ObjectiveCard implements Row<ShownObjective> {
  readonly #promise = h("p", { class: "muted" });
  readonly #left = h("strong", { class: "number budget-left" });
  readonly #bar = h("span");
  readonly #burn = h("span", { class: "muted number" });
  readonly #curve = new Sparkline();
  readonly #alerts = h("ul", { class: "preview-list" });
  readonly element: HTMLElement;

  constructor({ id, service, name }: Objective) {
    this.element = h(
      "section",
      { class: "card objective", "aria-label": `${service} ${name}` },
      h("h2", {}, h("a", { href: objectiveAddress(id) }, service ? `${service} · ${name}` : name)),
      this.#promise,
      h("p", {}, this.#left, " of the error budget is left"),
      h("div", { class: "budget", "aria-hidden": "true" }, this.#bar),
      h("div", { class: "burn-down", title: `What was left over the last ${PERIOD_DAYS} days` }),
      this.#burn,
      this.#alerts,
    );
    this.element.querySelector(".burn-down")!.append(this.#curve.element);
  }

  update(one: ShownObjective): void {
    const { left, burnRates, alerts, burnDown, grid } = one;
    this.element.dataset["tone"] = toneOf(left);
    setText(this.#promise, spellObjective(one));
    setText(this.#left, formatValue(left, "ratio"));
    this.#bar.style.width = `${Math.round(Math.min(1, Math.max(0, left ?? 0)) * 100)}%`;
    const shown = burnRates.filter(({ window }) => ["5m", "1h", "6h"].includes(window));
    setText(
      this.#burn,
      shown.length > 0
        ? `burn rate ${shown.map(({ window, rate }) => `${spellRate(rate)} over ${window}`).join(", ")}`
        : "nothing recorded yet",
    );
    this.#curve.draw(grid, burnDown, 1);
    const shape = JSON.stringify(alerts.map(({ key, state }) => [key, state]));
    if (this.#alerts.dataset["shape"] === shape) return;
    this.#alerts.dataset["shape"] = shape;
    fill(this.#alerts, ...alertLinks(alerts));
  }
}
