/** Dashboards as the server keeps them, and what their texts stand for. */

import { getJson } from "../api/client";
import { spellLabels, type Labels } from "../api/answers";
import { spellDuration } from "../format/time";
import type { Unit } from "../format/units";

export type PanelType = "timeseries" | "stat" | "gauge" | "bar" | "table" | "text";

export interface Target {
  readonly expr: string;
  /** What a line is called, with labels as `{{label}}`; empty for its labels. */
  readonly legend: string;
}

export interface Threshold {
  readonly value: number;
  readonly color: "good" | "warning" | "critical";
}

export interface Panel {
  readonly title: string;
  readonly type: PanelType;
  readonly targets: readonly Target[];
  readonly unit: Unit | "";
  readonly min: number | null;
  readonly max: number | null;
  readonly thresholds: readonly Threshold[];
  readonly text: string;
  /** Columns of 24, rows of 30 pixels; null where the page may choose. */
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number } | null;
}

export interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly tags: readonly string[];
  readonly panels: readonly Panel[];
  readonly updated_at: string;
}

export interface Summary {
  readonly uid: string;
  readonly title: string;
  readonly tags: readonly string[];
  readonly source: "api" | "library";
  readonly panels: number;
  readonly updated_at: string;
}

const PATH = "/api/veriscope/v1/dashboards";

export async function listDashboards(signal: AbortSignal): Promise<readonly Summary[]> {
  return (await getJson(PATH, signal)).data as readonly Summary[];
}

export async function readDashboard(uid: string, signal: AbortSignal): Promise<Dashboard> {
  return (await getJson(`${PATH}/${encodeURIComponent(uid)}`, signal)).data as Dashboard;
}

/** Rates look back over four scrapes at least, as Grafana's `$__rate_interval` does. */
const SHORTEST_RATE_S = 60;

/** Fill Grafana's variables of time into `expr`: `$__rate_interval`, `$__interval`, `$__range`. */
export function expandTime(expr: string, step: number, span: number): string {
  const values: Record<string, string> = {
    rate_interval: spellDuration(Math.max(SHORTEST_RATE_S, 4 * step)),
    interval: spellDuration(step),
    range: spellDuration(Math.ceil(span)),
  };
  return expr.replace(
    /\$(?:__(rate_interval|interval|range)\b|\{__(rate_interval|interval|range)\})/g,
    (_, plain: string | undefined, braced: string | undefined) => values[(plain ?? braced)!]!,
  );
}

/** Name a line by `legend`, or by its labels; `expr` is the name of a line without labels. */
export function nameLine(legend: string, labels: Labels, expr: string): string {
  if (legend)
    return (
      legend.replace(/\{\{\s*([\w.]+)\s*\}\}/g, (_, label: string) => labels[label] ?? "").trim() || expr
    );
  return Object.keys(labels).length === 0 ? expr : spellLabels(labels);
}

/** The colour token of `value`: that of the highest threshold it has reached, if any. */
export function thresholdToken(thresholds: readonly Threshold[], value: number): string | null {
  const reached = thresholds.filter((threshold) => value >= threshold.value);
  const highest = reached.sort((a, b) => a.value - b.value).at(-1);
  return highest ? { good: "good", warning: "warn", critical: "bad" }[highest.color] : null;
}
