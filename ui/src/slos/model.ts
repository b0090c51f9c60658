/** Objectives, read off the series that their rules record. */

import { latest, type Answer, type Labels } from "../api/answers";
import { queryInstant, queryRange } from "../api/client";
import { toLines, type Grid, type Line } from "../api/lines";
import { parseDuration } from "../format/time";

export interface BurnRate {
  /** `5m`, `1h` and so on; the longest is the whole period. */
  readonly window: string;
  /** How many times faster than allowed the budget is spent; null where nothing happened. */
  readonly rate: number | null;
}

export interface Objective {
  readonly id: string;
  /** What the label is called that holds the id. */
  readonly idLabel: "sloth_id" | "slo_id";
  readonly service: string;
  readonly name: string;
  /** What is to be good, from 0 to 1. */
  readonly objective: number;
  readonly periodDays: number;
  /** The share of the error budget that is left, negative once it is spent; null where nothing happened. */
  readonly left: number | null;
  readonly burnRates: readonly BurnRate[];
}

export const LEFT = "slo:period_error_budget_remaining:ratio";
const EVERYTHING =
  '{__name__=~"slo:objective:ratio|slo:error_budget:ratio|slo:time_period:days|' +
  'slo:period_error_budget_remaining:ratio|slo:sli_error:ratio_rate.+"}';
const RATE = "slo:sli_error:ratio_rate";

/** Files of Sloth keep its labels, those of OpenSLO have their own. */
export const idOf = (labels: Labels): string => labels["sloth_id"] ?? labels["slo_id"] ?? "";

export async function readObjectives(signal: AbortSignal): Promise<Objective[]> {
  return objectivesOf(await queryInstant(EVERYTHING, { signal }));
}

/** Put together what is recorded of each objective; the one that has least left stands first. */
export function objectivesOf({ series }: Pick<Answer, "series">): Objective[] {
  const byId = new Map<string, { labels: Labels; values: Map<string, number> }>();
  for (const one of series) {
    const [id, value] = [idOf(one.labels), latest(one)];
    if (id === "" || value === undefined) continue;
    const found = byId.get(id) ?? { labels: one.labels, values: new Map<string, number>() };
    const window = one.labels["sloth_window"] ?? one.labels["slo_window"] ?? "";
    const name = one.labels["__name__"] ?? "";
    found.values.set(name.startsWith(RATE) ? `${RATE} ${window}` : name, value);
    byId.set(id, found);
  }
  return [...byId]
    .flatMap(([id, { labels, values }]): Objective | [] => {
      const objective = values.get("slo:objective:ratio");
      const budget = values.get("slo:error_budget:ratio");
      if (objective === undefined || budget === undefined) return [];
      return {
        id,
        idLabel: labels["sloth_id"] === undefined ? "slo_id" : "sloth_id",
        service: labels["sloth_service"] ?? labels["slo_service"] ?? "",
        name: labels["sloth_slo"] ?? labels["slo_name"] ?? id,
        objective,
        periodDays: values.get("slo:time_period:days") ?? 30,
        left: finite(values.get(LEFT)),
        burnRates: burnRates(values, budget),
      };
    })
    .sort((one, other) => (one.left ?? 1) - (other.left ?? 1) || (one.id < other.id ? -1 : 1));
}

function burnRates(values: ReadonlyMap<string, number>, budget: number): BurnRate[] {
  return [...values]
    .filter(([key]) => key.startsWith(`${RATE} `))
    .map(([key, value]) => ({ window: key.slice(RATE.length + 1), rate: finite(value / budget) }))
    .sort((one, other) => (parseDuration(one.window) ?? 0) - (parseDuration(other.window) ?? 0));
}

const finite = (value: number | undefined): number | null =>
  value !== undefined && Number.isFinite(value) ? value : null;

const POINTS = 240;

/** What was left of the budgets over the last `days`, by id. */
export async function readBurnDown(
  days: number,
  now: number,
  signal: AbortSignal,
): Promise<{ grid: Grid; lines: ReadonlyMap<string, Line> }> {
  const span = days * 86_400;
  const grid = { start: now - span, end: now, step: span / POINTS };
  const lines = toLines((await queryRange(LEFT, grid, signal)).series, grid);
  return { grid, lines: new Map(lines.map((line) => [idOf(line.labels), line])) };
}

/** How a budget does: spent, nearly so, or well. */
export function toneOf(left: number | null): "bad" | "warn" | "good" | "none" {
  if (left === null) return "none";
  return left <= 0 ? "bad" : left < 0.25 ? "warn" : "good";
}

export function objectiveAddress(id: string): string {
  return `/slos/${encodeURIComponent(id)}`;
}
