/** One alert: what its expression says around the onset, what it means, and what can be done. */

import { queryRange, serverNow } from "../api/client";
import type { Labels } from "../api/answers";
import { alignedGrid, gridLength, toLines, type Grid, type Line } from "../api/lines";
import { seriesToken } from "../chart/palette";
import { Legend } from "../chart/legend";
import { Plot, type Curve } from "../chart/plot";
import { fill, h, setText } from "../dom/element";
import { chooseStep, spellExplore } from "../explore/state";
import { formatDateTime, spellDuration } from "../format/time";
import { formatNumber, formatSeconds } from "../format/units";
import { describeWay } from "./list";
import { matchersOf, parseMatcher, satisfies, spellMatcher } from "./matchers";
import {
  isAlerting,
  readAlerts,
  severityOf,
  silenceAddress,
  type Alert,
  type AlertingRule,
  type Snapshot,
} from "./model";
import {
  chips,
  emptyCard,
  isWebLink,
  matcherList,
  severityBadge,
  showAgo,
  stateBadge,
  webLink,
  type AlertsView,
} from "./parts";
import { splitComparison } from "./threshold";

/** Time before the onset that the chart shows at least, in seconds. */
const BEFORE = 1800;
const MOST_LINES = 20;
const HEIGHT = 260;

export class AlertDetail implements AlertsView {
  readonly title: string;
  readonly #name: string;
  readonly #filters = new URLSearchParams(location.search)
    .getAll("filter")
    .map(parseMatcher)
    .filter((one) => one !== null);
  readonly #head = h("header", { class: "detail-head" });
  readonly #since = h("strong", { class: "number" });
  readonly #value = h("strong", { class: "number" });
  readonly #facts = h("div", { class: "detail-facts" });
  readonly #chart = h("section", { class: "card", "aria-label": "Expression", hidden: true });
  readonly #chartHead = h("div", { class: "group-head" });
  readonly #plot = new Plot({
    label: "The alert's expression around its onset",
    unit: "number",
    height: HEIGHT,
  });
  readonly #legend = new Legend("number", () =>
    this.#plot.draw(this.#grid, this.#legend.visible(this.#curves)),
  );
  readonly #note = h("p", { class: "muted graph-note" });
  readonly #texts = h("div");
  readonly elements = [this.#head, this.#facts, this.#chart, this.#texts];
  #grid: Grid = { start: 0, end: 1, step: 1 };
  #curves: Curve[] = [];
  #shape = "";

  constructor(name: string) {
    this.#name = name;
    this.title = name;
    this.#chart.append(this.#chartHead, this.#plot.element, this.#note, this.#legend.element);
    fill(this.#head, h("h1", {}, name));
  }

  destroy(): void {
    this.#plot.destroy();
  }

  async refresh(signal: AbortSignal): Promise<void> {
    const snapshot = await readAlerts(signal);
    const named = snapshot.alerts.filter(({ name }) => name === this.#name);
    const meant = named.filter(({ labels }) => satisfies(labels, this.#filters));
    const alert = meant.length === 1 ? meant[0] : undefined;
    const rule = alert ? alert.rule : ruleOf(snapshot, this.#name);
    this.#draw(alert, rule, meant.length > 0 ? meant : named);
    if (rule) await this.#drawChart(rule, alert, signal);
  }

  /** Build anew only what has changed in more than its time and value. */
  #draw(alert: Alert | undefined, rule: AlertingRule | null, others: readonly Alert[]): void {
    if (alert) {
      showAgo(this.#since, alert.since);
      setText(this.#value, alert.value === null ? "not known here" : formatNumber(alert.value, 4));
    }
    const keys = alert ? [] : others.map(({ key, state }) => [key, state]);
    const shape = JSON.stringify([alert && { ...alert, value: null, rule: null }, rule?.query, keys]);
    if (shape === this.#shape) return;
    this.#shape = shape;
    fill(this.#head, ...this.#headOf(alert));
    fill(this.#facts, ...(alert ? this.#factsOf(alert) : [this.#absent(rule, others)]));
    const annotations = alert?.annotations ?? rule?.annotations ?? {};
    fill(this.#texts, ...textsOf(annotations, rule));
  }

  #headOf(alert: Alert | undefined): HTMLElement[] {
    const matchers = alert
      ? matchersOf(alert.labels)
      : [...matchersOf({ alertname: this.#name }), ...this.#filters];
    return [
      h("a", { href: "/alerts", class: "back" }, "← Alerts"),
      h("h1", {}, this.#name),
      ...(alert ? [severityBadge(severityOf(alert.labels)), stateBadge(alert.state)] : []),
      h("a", { class: "button button-primary", href: silenceAddress(matchers) }, "Silence this"),
    ];
  }

  #factsOf(alert: Alert): HTMLElement[] {
    const since = h("span", { class: "fact" }, "since ", this.#since, ` (${formatDateTime(alert.since)})`);
    const address = (one: Parameters<typeof spellMatcher>[0]): string =>
      `/alerts?${new URLSearchParams([["filter", spellMatcher(one)]])}`;
    return [
      h("p", { class: "detail-line" }, since, h("span", { class: "fact" }, "value ", this.#value)),
      h("p", { class: "muted" }, describeWay(alert)),
      ...alert.silencedBy.map((id) =>
        h("a", { href: `/alerts/silences/${encodeURIComponent(id)}` }, `Silence ${id.slice(0, 8)}`),
      ),
      chips(alert.labels, address),
    ];
  }

  /** What to say where the address does not name one alert that is active. */
  #absent(rule: AlertingRule | null, others: readonly Alert[]): HTMLElement {
    if (others.length > 0)
      return h(
        "section",
        { class: "card" },
        h("h2", {}, `${others.length} ${others.length === 1 ? "alert" : "alerts"} of this name now`),
        h(
          "ul",
          { class: "preview-list" },
          ...others.map((one) => {
            const { alertname: _, ...labels } = one.labels;
            const params = new URLSearchParams(
              matchersOf(labels).map((each) => ["filter", spellMatcher(each)]),
            );
            return h("li", {}, stateBadge(one.state), h("a", { href: `?${params}` }, textOf(labels)));
          }),
        ),
      );
    const text = rule
      ? "It is over, or has not happened yet. The chart shows its expression over the last hour."
      : "No rule of this server has this name; it may have been taken out or renamed.";
    return h(
      "div",
      {},
      emptyCard("Not active now", text),
      this.#filters.length > 0 && matcherList(this.#filters),
    );
  }

  async #drawChart(rule: AlertingRule, alert: Alert | undefined, signal: AbortSignal): Promise<void> {
    const comparison = splitComparison(rule.query);
    const expr = comparison?.expr ?? rule.query;
    const now = serverNow();
    const span = Math.max(2 * BEFORE, alert ? (now - alert.since) * 1.25 + BEFORE : 0);
    const grid = alignedGrid(now, span, chooseStep(span, null));
    const all = toLines((await queryRange(expr, grid, signal)).series, grid);
    const lines = alert ? all.filter((line) => belongs(line, alert.labels)) : all;
    const shown = (lines.length > 0 ? lines : all).slice(0, MOST_LINES);
    this.#grid = grid;
    this.#curves = shown.map((line, order) => ({
      ...line,
      name: textOf(line.labels) || expr,
      color: seriesToken(order),
      order,
    }));
    if (comparison)
      this.#curves.push(
        thresholdCurve(`${comparison.op} ${comparison.threshold}`, comparison.threshold, grid),
      );
    this.#chart.hidden = false;
    setText(
      this.#note,
      shown.length === 0
        ? "The expression gives nothing over this time."
        : lines.length > MOST_LINES
          ? `Showing ${MOST_LINES} of ${lines.length} series.`
          : "",
    );
    this.#drawChartHead(rule, span);
    this.#legend.draw(this.#curves);
    this.#plot.mark(alert?.since ?? null);
    this.#plot.draw(grid, this.#legend.visible(this.#curves));
  }

  #drawChartHead({ query, duration }: AlertingRule, span: number): void {
    const round = Math.ceil(span / 600) * 600;
    const href = `/explore?${spellExplore({ queries: [query], range: { kind: "relative", span: round } })}`;
    if (this.#chartHead.dataset["href"] === href) return;
    this.#chartHead.dataset["href"] = href;
    fill(
      this.#chartHead,
      h("code", { class: "rule-query" }, query),
      duration > 0 && h("span", { class: "muted" }, `for ${spellDuration(duration)}`),
      h("a", { href }, "Explore"),
    );
  }
}

function ruleOf({ groups }: Snapshot, name: string): AlertingRule | null {
  return groups.flatMap(({ rules }) => rules.filter(isAlerting)).find((rule) => rule.name === name) ?? null;
}

/** Whether a line may be what the alert was found on: no label says otherwise. */
function belongs({ labels }: Line, alert: Labels): boolean {
  return Object.entries(labels).every(
    ([name, value]) => name === "__name__" || alert[name] === undefined || alert[name] === value,
  );
}

function thresholdCurve(name: string, value: number, grid: Grid): Curve {
  const values = new Array<number>(gridLength(grid)).fill(value);
  // The second round of colours is dashed, which tells the limit from what is measured.
  return { key: `threshold ${name}`, labels: {}, values, name, color: "bad", order: 10 };
}

const textOf = (labels: Labels): string =>
  Object.entries(labels)
    .filter(([name]) => name !== "__name__")
    .map(([name, value]) => `${name}=${value}`)
    .join(", ");

function textsOf(annotations: Labels, rule: AlertingRule | null): HTMLElement[] {
  const pairs = Object.entries(annotations).sort(([one], [other]) => (one < other ? -1 : 1));
  const list = h(
    "dl",
    { class: "annotations" },
    ...pairs.flatMap(([name, text]) => [
      h("dt", {}, name.replaceAll("_", " ")),
      h("dd", {}, isWebLink(text) ? webLink(text, text) : text),
    ]),
  );
  const failing =
    rule?.health === "err" && h("p", { class: "rule-error" }, `The rule fails: ${rule.lastError ?? ""}`);
  const took = rule && h("p", { class: "muted" }, `Evaluated in ${formatSeconds(rule.evaluationTime)}.`);
  if (pairs.length === 0 && !failing) return [];
  return [h("section", { class: "card", "aria-label": "What it means" }, list, failing, took)];
}
