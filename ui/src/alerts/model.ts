/** Alerts and rules as the server knows them. */

import { parseSampleValue, spellLabels, type Labels } from "../api/answers";
import { getBare, getJson } from "../api/client";
import { filterParams, matchersOf } from "./matchers";

/** What becomes of an alert: people are told, they are not, or it is not certain yet. */
export type State = "firing" | "suppressed" | "pending";

export interface Rule {
  readonly type: "alerting" | "recording";
  readonly name: string;
  readonly query: string;
  readonly labels: Labels;
  readonly health: "ok" | "err" | "unknown";
  readonly lastError?: string;
  readonly evaluationTime: number;
  readonly lastEvaluation: string;
}

export interface AlertingRule extends Rule {
  readonly type: "alerting";
  readonly state: "firing" | "pending" | "inactive";
  readonly duration: number;
  readonly keepFiringFor: number;
  readonly annotations: Labels;
  readonly alerts: readonly RuleAlert[];
}

interface RuleAlert {
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly state: "firing" | "pending";
  readonly activeAt: string;
  readonly value: string;
}

export interface RuleGroup {
  readonly name: string;
  readonly file: string;
  readonly interval: number;
  readonly rules: readonly (Rule | AlertingRule)[];
  readonly evaluationTime: number;
  readonly lastEvaluation: string;
}

/** An alert as Alertmanager's API answers it. */
interface ToldAlert {
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly fingerprint: string;
  readonly generatorURL?: string;
  readonly startsAt: string;
  readonly receivers: readonly { readonly name: string }[];
  readonly status: {
    readonly state: string;
    readonly silencedBy: readonly string[];
    readonly inhibitedBy: readonly string[];
    readonly mutedBy: readonly string[];
  };
}

/** One alert, with what its rule and its way to people say of it. */
export interface Alert {
  readonly key: string;
  readonly name: string;
  /** What other parts of the API call it; empty where nobody was told of it yet. */
  readonly fingerprint: string;
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly state: State;
  readonly value: number | null;
  /** Unix seconds. */
  readonly since: number;
  readonly receivers: readonly string[];
  readonly silencedBy: readonly string[];
  readonly inhibitedBy: readonly string[];
  readonly mutedBy: readonly string[];
  /** The group of its rule; empty where another server found it. */
  readonly group: string;
  readonly rule: AlertingRule | null;
  /** Where another server shows what it found; empty for rules of this one. */
  readonly source: string;
}

export interface Snapshot {
  readonly alerts: readonly Alert[];
  readonly groups: readonly RuleGroup[];
}

export const isAlerting = (rule: Rule): rule is AlertingRule => rule.type === "alerting";

/** Whether an answer's time has not come yet: Go's zero. */
export const isNever = (time: string): boolean => time.startsWith("0001-") || Date.parse(time) <= 0;

export const seconds = (time: string): number => Date.parse(time) / 1000;

export async function readGroups(signal: AbortSignal): Promise<readonly RuleGroup[]> {
  return ((await getJson("/api/v1/rules", signal)).data as { groups: readonly RuleGroup[] }).groups;
}

/** The alerts that people are told of, or would be. */
export async function readTold(signal: AbortSignal): Promise<readonly ToldAlert[]> {
  return (await getBare("/api/v2/alerts", signal)) as readonly ToldAlert[];
}

/** What fires, waits and is suppressed at the moment. */
export async function readAlerts(signal: AbortSignal): Promise<Snapshot> {
  const [groups, told] = await Promise.all([readGroups(signal), readTold(signal)]);
  return { groups, alerts: joinAlerts(groups, told) };
}

/** Join what rules found with what is told of it; an alert that only one of both knows stands alone. */
export function joinAlerts(groups: readonly RuleGroup[], told: readonly ToldAlert[]): Alert[] {
  const rest = new Told(told);
  const found = groups.flatMap((group) =>
    group.rules
      .filter(isAlerting)
      .flatMap((rule) => rule.alerts.map((alert) => foundAlert(alert, rule, group, rest.take(alert)))),
  );
  return [...found, ...rest.left().map(strangeAlert)];
}

/** What is told, to be found by the labels that a rule gave it, among thousands. */
class Told {
  readonly #byLabels: Map<string, ToldAlert>;
  /** What the server has been seen to add for the outside; it adds the same to every alert. */
  readonly #added: Labels[] = [{}];
  #searches = 0;

  constructor(told: readonly ToldAlert[]) {
    this.#byLabels = new Map(told.map((one) => [spellLabels(one.labels), one]));
  }

  /** Take out what is told of `alert`. */
  take({ labels, state }: RuleAlert): ToldAlert | undefined {
    if (state === "pending") return undefined;
    for (const added of this.#added) {
      const key = spellLabels({ ...added, ...labels });
      const one = this.#byLabels.get(key);
      if (one && this.#byLabels.delete(key)) return one;
    }
    return this.#search(labels);
  }

  /** Learn what is added from the alert that has least of it; who knows it needs no search. */
  #search(own: Labels): ToldAlert | undefined {
    if (this.#searches++ >= MOST_SEARCHES) return undefined;
    let found: { key: string; one: ToldAlert; added: Labels; size: number } | undefined;
    for (const [key, one] of this.#byLabels) {
      if (!extend(one.labels, own)) continue;
      const added = Object.entries(one.labels).filter(([name]) => own[name] === undefined);
      if (found === undefined || added.length < found.size)
        found = { key, one, added: Object.fromEntries(added), size: added.length };
    }
    if (found === undefined) return undefined;
    this.#added.push(found.added);
    this.#byLabels.delete(found.key);
    return found.one;
  }

  left(): ToldAlert[] {
    return [...this.#byLabels.values()];
  }
}

/** A search looks at everything; what has only begun to fire is told of within moments. */
const MOST_SEARCHES = 50;

/** Whether `labels` are `own`, or `own` and more. */
const extend = (labels: Labels, own: Labels): boolean =>
  Object.entries(own).every(([name, value]) => labels[name] === value);

function foundAlert(
  alert: RuleAlert,
  rule: AlertingRule,
  group: RuleGroup,
  told: ToldAlert | undefined,
): Alert {
  return {
    ...common(told?.labels ?? alert.labels, alert.annotations, told),
    state: alert.state === "pending" ? "pending" : stateOf(told),
    value: parseSampleValue(alert.value),
    since: seconds(alert.activeAt),
    group: group.name,
    rule,
    source: "",
  };
}

function strangeAlert(told: ToldAlert): Alert {
  return {
    ...common(told.labels, told.annotations, told),
    state: stateOf(told),
    value: null,
    since: seconds(told.startsAt),
    group: "",
    rule: null,
    source: told.generatorURL ?? "",
  };
}

const stateOf = (told: ToldAlert | undefined): State =>
  told && (told.status.state === "suppressed" || told.status.mutedBy.length > 0) ? "suppressed" : "firing";

function common(labels: Labels, annotations: Labels, told: ToldAlert | undefined) {
  return {
    key: spellLabels(labels),
    name: labels["alertname"] ?? "(no name)",
    fingerprint: told?.fingerprint ?? "",
    labels,
    annotations,
    receivers: told?.receivers.map(({ name }) => name) ?? [],
    silencedBy: told?.status.silencedBy ?? [],
    inhibitedBy: told?.status.inhibitedBy ?? [],
    mutedBy: told?.status.mutedBy ?? [],
  };
}

/** How bad an alert is, by the words that people use in its `severity`. */
export interface Severity {
  readonly rank: number;
  readonly tone: "bad" | "warn" | "info" | "none";
  readonly name: string;
}

const SEVERITIES: readonly [words: readonly string[], tone: Severity["tone"]][] = [
  [["emergency", "page", "critical", "fatal", "p1"], "bad"],
  [["error", "major", "high", "p2"], "bad"],
  [["warning", "warn", "medium", "minor", "ticket", "p3"], "warn"],
  [["info", "low", "notice", "none", "p4", "p5"], "info"],
];

export function severityOf(labels: Labels): Severity {
  const name = labels["severity"] ?? "";
  const rank = SEVERITIES.findIndex(([words]) => words.includes(name.toLowerCase()));
  if (rank < 0) return { rank: SEVERITIES.length, tone: "none", name: name || "no severity" };
  return { rank, tone: SEVERITIES[rank]![1], name };
}

const STATES: readonly State[] = ["firing", "pending", "suppressed"];

/** The worst first: what people are told of, by severity, the newest of a kind first. */
export function sortAlerts(alerts: readonly Alert[]): Alert[] {
  return [...alerts].sort(
    (one, other) =>
      STATES.indexOf(one.state) - STATES.indexOf(other.state) ||
      severityOf(one.labels).rank - severityOf(other.labels).rank ||
      other.since - one.since ||
      (one.key < other.key ? -1 : 1),
  );
}

/** The address of an alert's own page, which says by its labels which one is meant. */
export function alertAddress({ name, labels }: Pick<Alert, "name" | "labels">): string {
  const { alertname: _, ...rest } = labels;
  const search = filterParams(matchersOf(rest)).toString();
  return `/alerts/alert/${encodeURIComponent(name)}${search ? `?${search}` : ""}`;
}

/** The text of a condition of a rule on logs or traces, which PromQL cannot ask; null for an expression. */
export function conditionOf({ query }: Rule): "logs" | "traces" | null {
  // What is evaluated is never a range alone, so no expression begins like this.
  return (/^(logs|traces)\[[^\]:]+\] /.exec(query)?.[1] as "logs" | "traces" | undefined) ?? null;
}
