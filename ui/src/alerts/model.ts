/** Alerts, rules, silences and receivers as the server knows them. */

import { spellLabels, type Labels } from "../api/answers";
import { getBare, getJson, send } from "../api/client";
import { matchersOf, spellMatcher, type Matcher, type Op } from "./matchers";

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

/** What fires, waits and is suppressed at the moment. */
export async function readAlerts(signal: AbortSignal): Promise<Snapshot> {
  const [groups, told] = await Promise.all([readGroups(signal), getBare("/api/v2/alerts", signal)]);
  return { groups, alerts: joinAlerts(groups, told as readonly ToldAlert[]) };
}

/** Join what rules found with what is told of it; an alert that only one of both knows stands alone. */
export function joinAlerts(groups: readonly RuleGroup[], told: readonly ToldAlert[]): Alert[] {
  const rest = new Set(told);
  const found = groups.flatMap((group) =>
    group.rules.filter(isAlerting).flatMap((rule) =>
      rule.alerts.map((alert) => {
        const same = [...rest].find(({ labels }) => extend(labels, alert.labels));
        if (same) rest.delete(same);
        return foundAlert(alert, rule, group, same);
      }),
    ),
  );
  return [...found, ...[...rest].map(strangeAlert)];
}

/** Whether `labels` are `own`, or `own` and what the server adds for the outside. */
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
    value: Number(alert.value.replace("Inf", "Infinity")),
    since: seconds(alert.activeAt),
    group: group.name,
    rule,
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
  };
}

const stateOf = (told: ToldAlert | undefined): State =>
  told && (told.status.state === "suppressed" || told.status.mutedBy.length > 0) ? "suppressed" : "firing";

function common(labels: Labels, annotations: Labels, told: ToldAlert | undefined) {
  return {
    key: spellLabels(labels),
    name: labels["alertname"] ?? "(no name)",
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

export type SilenceState = "active" | "pending" | "expired";

export interface Silence {
  readonly id: string;
  readonly status: { readonly state: SilenceState };
  readonly comment: string;
  readonly createdBy: string;
  readonly startsAt: string;
  readonly endsAt: string;
  readonly matchers: readonly {
    readonly name: string;
    readonly value: string;
    readonly isEqual: boolean;
    readonly isRegex: boolean;
  }[];
}

/** A silence as people write it; without an id it is a new one. */
export interface SilenceDraft {
  readonly id?: string;
  readonly matchers: readonly Matcher[];
  readonly startsAt: number;
  readonly endsAt: number;
  readonly createdBy: string;
  readonly comment: string;
}

export async function readSilences(signal?: AbortSignal): Promise<readonly Silence[]> {
  return (await getBare("/api/v2/silences", signal)) as readonly Silence[];
}

export async function saveSilence({
  id,
  matchers,
  startsAt,
  endsAt,
  ...said
}: SilenceDraft): Promise<string> {
  const body = {
    ...(id === undefined ? {} : { id }),
    ...said,
    startsAt: new Date(startsAt * 1000).toISOString(),
    endsAt: new Date(endsAt * 1000).toISOString(),
    matchers: matchers.map(({ name, op, value }) => ({
      name,
      value,
      isEqual: op.startsWith("="),
      isRegex: op.endsWith("~"),
    })),
  };
  return ((await send("POST", "/api/v2/silences", body)) as { silenceID: string }).silenceID;
}

export async function expireSilence(id: string): Promise<void> {
  await send("DELETE", `/api/v2/silence/${encodeURIComponent(id)}`);
}

export function silenceMatchers({ matchers }: Silence): Matcher[] {
  return matchers.map(({ name, value, isEqual, isRegex }) => {
    const op: Op = isRegex ? (isEqual ? "=~" : "!~") : isEqual ? "=" : "!=";
    return { name, op, value };
  });
}

export interface Integration {
  readonly integration: string;
  readonly index: number;
  readonly sent: number;
  readonly failed: number;
  readonly waiting: number;
  readonly consecutive_failures: number;
  readonly last_try_at: string | null;
  readonly last_success_at: string | null;
  readonly last_error: string;
  readonly last_error_at: string | null;
}

export interface Receiver {
  readonly name: string;
  readonly integrations: readonly Integration[];
}

export interface DeadLetter {
  readonly id: string;
  readonly receiver: string;
  readonly integration: string;
  readonly index: number;
  readonly group_labels: Labels;
  readonly status: string;
  readonly alerts: number;
  readonly reason: string;
  readonly detail: string;
  readonly count: number;
  readonly first_at: string;
  readonly last_at: string;
}

const OWN = "/api/veriscope/v1";

export async function readReceivers(signal: AbortSignal): Promise<readonly Receiver[]> {
  return (await getJson(`${OWN}/notifications`, signal)).data as readonly Receiver[];
}

export async function readDeadLetters(signal: AbortSignal): Promise<readonly DeadLetter[]> {
  return (await getJson(`${OWN}/dead-letters`, signal)).data as readonly DeadLetter[];
}

/** Try again to deliver, and return whether it was taken. */
export async function retryDeadLetter(id: string): Promise<boolean> {
  const answer = await send("POST", `${OWN}/dead-letters/${encodeURIComponent(id)}/retry`);
  return (answer as { data: { delivered: boolean } }).data.delivered;
}

export async function deleteDeadLetter(id: string): Promise<void> {
  await send("DELETE", `${OWN}/dead-letters/${encodeURIComponent(id)}`);
}

/** The address of an alert's own page, which says by its labels which one is meant. */
export function alertAddress({ name, labels }: Pick<Alert, "name" | "labels">): string {
  const { alertname: _, ...rest } = labels;
  const params = new URLSearchParams(matchersOf(rest).map((one) => ["filter", spellMatcher(one)]));
  const search = params.toString();
  return `/alerts/alert/${encodeURIComponent(name)}${search ? `?${search}` : ""}`;
}

/** The address of the form of a new silence. */
export function silenceAddress(matchers: readonly Matcher[]): string {
  const params = new URLSearchParams(matchers.map((one) => ["filter", spellMatcher(one)]));
  return `/alerts/silences/new?${params}`;
}
