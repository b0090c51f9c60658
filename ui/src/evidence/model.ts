/** Evidence as the server gathered it: what was seen around the moment at which alerts began to fire. */

import { parseSampleValue, spellLabels, type Labels } from "../api/answers";
import { getJson } from "../api/client";

/** A number as JSON has it, or as Prometheus spells it where JSON has none; null for nothing. */
export type Figure = number | string | null;

export interface Evidence {
  readonly id: string;
  readonly gatheredAt: string;
  readonly startsAt: string;
  readonly groupLabels: Labels;
  readonly viewUrl: string;
  readonly graphUrl: string;
  readonly values: readonly ValueThen[];
  readonly changed: readonly Changed[];
  readonly traces: readonly Trace[];
  readonly logPatterns: readonly LogPattern[];
  readonly events: readonly Happening[];
  readonly host: readonly { readonly instance: string; readonly name: string; readonly text: string }[];
  readonly hints: readonly string[];
  readonly missing: readonly string[];
}

export interface ValueThen {
  readonly labels: Labels;
  readonly now: Figure;
  readonly onset: Figure;
  readonly hourBefore: Figure;
  readonly dayBefore: Figure;
  readonly weekBefore: Figure;
}

/** Another series that changed at the onset; `before` and `after` are medians, of a rate where it is one. */
export interface Changed {
  readonly labels: Labels;
  readonly score: Figure;
  readonly before: Figure;
  readonly after: Figure;
  readonly isRate: boolean;
}

interface Trace {
  readonly traceId: string;
  readonly service: string;
  readonly name: string;
  readonly startMs: number;
  readonly durationMs: number;
  readonly isError: boolean;
}

interface LogPattern {
  readonly pattern: string;
  readonly service: string;
  readonly count: number;
  readonly perMinuteBefore: Figure;
  readonly perMinuteSince: Figure;
  readonly example: string;
}

/** A deploy, a restart or the like. */
interface Happening {
  readonly time: string;
  readonly kind: string;
  readonly title: string;
  readonly text: string;
  readonly url: string;
}

const PATH = "/api/veriscope/v1/evidence";

/** What was gathered for the alert with this fingerprint, the newest first. */
export async function readEvidenceOf(fingerprint: string, signal: AbortSignal): Promise<readonly Evidence[]> {
  const params = new URLSearchParams({ fingerprint });
  return (await getJson(`${PATH}?${params}`, signal)).data as readonly Evidence[];
}

export async function readEvidence(id: string, signal: AbortSignal): Promise<Evidence> {
  return (await getJson(`${PATH}/${encodeURIComponent(id)}`, signal)).data as Evidence;
}

export function toNumber(figure: Figure): number | null {
  return typeof figure === "string" ? parseSampleValue(figure) : figure;
}

/** PromQL for a series that changed, in the form in which it was compared. */
export function changedQuery({ labels, isRate }: Pick<Changed, "labels" | "isRate">): string {
  const selector = spellLabels(labels);
  return isRate ? `rate(${selector}[5m])` : selector;
}

/** How many times as much: `×3.2`, or nothing where that says nothing. */
export function spellChange(before: Figure, after: Figure): string {
  const [was, is] = [toNumber(before), toNumber(after)];
  if (was === null || is === null || !Number.isFinite(is / was) || was === 0) return "";
  const times = is / was;
  return times > 0 ? `×${times >= 10 ? Math.round(times) : times.toPrecision(2)}` : "";
}
