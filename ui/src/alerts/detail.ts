/** One alert: what is wrong and what can be done, then what its expression says around the onset. */

import type { Labels } from "../api/answers";
import { fill, h, setText } from "../dom/element";
import { readEvidenceOf } from "../evidence/model";
import { EvidencePanel } from "../evidence/panel";
import { INCIDENT_TONES, incidentAddress, readIncidentsOf, type Incident } from "../incidents/model";
import { formatDateTime } from "../format/time";
import { formatNumber } from "../format/units";
import { filterParams, matchersOf, readFilters, satisfying } from "./matchers";
import {
  alertAddress,
  isAlerting,
  readAlerts,
  severityOf,
  sortAlerts,
  type Alert,
  type AlertingRule,
  type Snapshot,
} from "./model";
import { OnsetChart, spellPairs } from "./onset_chart";
import {
  badge,
  chips,
  emptyCard,
  isWebLink,
  matcherList,
  severityBadge,
  showFor,
  stateBadge,
  webLink,
  type AlertsView,
} from "./parts";
import { describeWay, textOf } from "./row";
import { silenceAddress } from "./silence";

const MOST_OTHERS = 100;

export class AlertDetail implements AlertsView {
  readonly title: string;
  readonly #name: string;
  readonly #filters = readFilters(new URLSearchParams(location.search)).filters;
  readonly #head = h("header", { class: "detail-head" });
  readonly #since = h("strong", { class: "number" });
  readonly #value = h("strong", { class: "number" });
  readonly #lead = h("p", { class: "detail-lead" });
  readonly #facts = h("div", { class: "detail-facts" });
  readonly #incident = h("p", { class: "group-head", hidden: true });
  readonly #texts = h("div");
  readonly #chart = new OnsetChart();
  readonly #evidence = new EvidencePanel({ withPicture: false });
  readonly elements = [
    this.#head,
    this.#lead,
    this.#facts,
    this.#incident,
    this.#texts,
    this.#chart.element,
    this.#evidence.element,
  ];
  #shape = "";
  #textsShape = "";

  constructor(name: string) {
    this.#name = name;
    this.title = name;
    fill(this.#head, h("h1", {}, name));
    this.#lead.hidden = true;
  }

  destroy(): void {
    this.#chart.destroy();
  }

  async refresh(signal: AbortSignal): Promise<void> {
    const snapshot = await readAlerts(signal);
    const named = snapshot.alerts.filter(({ name }) => name === this.#name);
    const satisfies = satisfying(this.#filters);
    const meant = named.filter(({ labels }) => satisfies(labels));
    const alert = meant.length === 1 ? meant[0] : meant.find((one) => this.#names(one));
    const rule = alert ? alert.rule : ruleOf(snapshot, this.#name);
    this.#draw(alert, rule, sortAlerts(meant.length > 0 ? meant : named));
    if (rule) await this.#chart.refresh(rule, alert, signal);
    if (alert?.fingerprint) {
      const [[newest], incidents] = await Promise.all([
        readEvidenceOf(alert.fingerprint, signal),
        readIncidentsOf(alert.fingerprint, signal),
      ]);
      this.#drawIncident(incidents[0]);
      await this.#evidence.show(newest, signal);
    } else this.#evidence.element.hidden = this.#incident.hidden = true;
  }

  /** Whether the address has every label of `alert`, and not only some that others have as well. */
  #names({ labels }: Alert): boolean {
    return Object.keys(labels).every(
      (name) => name === "alertname" || this.#filters.some((one) => one.name === name && one.op === "="),
    );
  }

  /** Where people work on it. */
  #drawIncident(incident: Incident | undefined): void {
    this.#incident.hidden = incident === undefined;
    if (!incident) return;
    const { id, state, isFlapping, assignee } = incident;
    const shape = JSON.stringify([id, state, isFlapping, assignee]);
    if (this.#incident.dataset["shape"] === shape) return;
    this.#incident.dataset["shape"] = shape;
    fill(
      this.#incident,
      "Incident ",
      h("a", { href: incidentAddress(id) }, id),
      badge(state, INCIDENT_TONES[state]),
      isFlapping && badge("flapping", "warn"),
      assignee !== "" && h("span", { class: "muted" }, `assigned to ${assignee}`),
    );
  }

  /** Build anew only what has changed in more than its time, value and texts. */
  #draw(alert: Alert | undefined, rule: AlertingRule | null, others: readonly Alert[]): void {
    const annotations = alert?.annotations ?? (others.length > 0 ? {} : rule?.annotations) ?? {};
    setText(this.#lead, alert ? textOf(annotations) : "");
    this.#lead.hidden = this.#lead.textContent === "";
    this.#drawTexts(annotations, rule);
    if (alert) {
      showFor(this.#since, alert.since);
      setText(this.#value, alert.value === null ? "not known here" : formatNumber(alert.value, 4));
    }
    const keys = alert ? [] : others.map(({ key, state }) => [key, state]);
    const runbook = annotations["runbook_url"] ?? "";
    const fixed = alert && { ...alert, annotations: null, value: null, rule: null };
    const shape = JSON.stringify([fixed, runbook, rule === null, keys]);
    if (shape === this.#shape) return;
    this.#shape = shape;
    fill(this.#head, ...this.#headOf(alert, runbook));
    fill(this.#facts, ...(alert ? this.#factsOf(alert) : [this.#absent(rule, others)]));
  }

  #headOf(alert: Alert | undefined, runbook: string): HTMLElement[] {
    const matchers = alert
      ? matchersOf(alert.labels)
      : [...matchersOf({ alertname: this.#name }), ...this.#filters];
    const link = isWebLink(runbook) ? webLink(runbook, "Runbook") : null;
    if (link) link.className = "button";
    return [
      h("a", { href: "/alerts", class: "back" }, "← Alerts"),
      h("h1", {}, this.#name),
      ...(alert ? [severityBadge(severityOf(alert.labels)), stateBadge(alert.state)] : []),
      h(
        "span",
        { class: "detail-actions" },
        link,
        h("a", { class: "button button-primary", href: silenceAddress(matchers) }, "Silence this"),
      ),
    ];
  }

  #factsOf(alert: Alert): HTMLElement[] {
    const since = h("span", {}, `${alert.state} `, this.#since, `, since ${formatDateTime(alert.since)}`);
    const source = alert.source;
    return [
      h("p", { class: "detail-line" }, since, h("span", {}, "value ", this.#value)),
      h(
        "p",
        { class: "muted" },
        describeWay(alert),
        ...alert.silencedBy.flatMap((id) => [
          " · ",
          h("a", { href: `/alerts/silences/${encodeURIComponent(id)}` }, `silence ${id.slice(0, 8)}`),
        ]),
        ...(isWebLink(source) ? [" · ", webLink(source, "where it was found")] : []),
      ),
      chips(alert.labels, (one) => `/alerts?${filterParams([one])}`),
    ];
  }

  /** What to say where the address does not name one alert that is active. */
  #absent(rule: AlertingRule | null, others: readonly Alert[]): HTMLElement {
    if (others.length > 0) return listOf(others);
    const text = rule
      ? "It is over, or has not happened yet. Below is its expression over the last hour."
      : "No rule of this server has this name: it was taken out or renamed, or another server posted it.";
    return h(
      "div",
      {},
      emptyCard("Not active now", text),
      this.#filters.length > 0 && matcherList(this.#filters),
    );
  }

  #drawTexts(annotations: Labels, rule: AlertingRule | null): void {
    const lead = this.#lead.textContent;
    const pairs = Object.entries(annotations)
      .filter(([name, text]) => text !== lead && !(name === "runbook_url" && isWebLink(text)))
      .sort(([one], [other]) => (one < other ? -1 : 1));
    const shape = JSON.stringify([pairs, rule?.health, rule?.lastError]);
    if (shape === this.#textsShape) return;
    this.#textsShape = shape;
    const failing = rule?.health === "err" && (rule.lastError ?? "");
    fill(
      this.#texts,
      (pairs.length > 0 || failing !== false) &&
        h(
          "section",
          { class: "card", "aria-label": "What it means" },
          pairs.length > 0 && h("dl", { class: "annotations" }, ...pairs.flatMap(annotation)),
          failing !== false && h("p", { class: "rule-error" }, `The rule fails: ${failing}`),
        ),
    );
  }
}

function ruleOf({ groups }: Snapshot, name: string): AlertingRule | null {
  return groups.flatMap(({ rules }) => rules.filter(isAlerting)).find((rule) => rule.name === name) ?? null;
}

const annotation = ([name, text]: [string, string]): HTMLElement[] => [
  h("dt", {}, name.replaceAll("_", " ")),
  h("dd", {}, isWebLink(text) ? webLink(text, text) : text),
];

function listOf(alerts: readonly Alert[]): HTMLElement {
  const shown = alerts.slice(0, MOST_OTHERS);
  const [{ name }] = alerts as [Alert];
  return h(
    "section",
    { class: "card" },
    h("h2", {}, `${alerts.length} ${alerts.length === 1 ? "alert" : "alerts"} of this name now`),
    h(
      "ul",
      { class: "preview-list" },
      ...shown.map((one) => {
        const { alertname: _, ...labels } = one.labels;
        return h(
          "li",
          {},
          stateBadge(one.state),
          h("a", { href: alertAddress(one) }, spellPairs(labels) || name),
        );
      }),
      shown.length < alerts.length &&
        h(
          "li",
          {},
          h(
            "a",
            { href: `/alerts?${filterParams(matchersOf({ alertname: name }))}` },
            `Show all ${alerts.length}`,
          ),
        ),
    ),
  );
}
