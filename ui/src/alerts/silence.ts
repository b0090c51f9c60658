/** Silences as the server keeps them, and the alerts that one would hold back. */

import type { Labels } from "../api/answers";
import { getBare, send } from "../api/client";
import { filterParams, type Matcher, type Op } from "./matchers";

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

export async function readSilences(signal: AbortSignal): Promise<readonly Silence[]> {
  return (await getBare("/api/v2/silences", signal)) as readonly Silence[];
}

export async function readSilence(id: string, signal: AbortSignal): Promise<Silence> {
  const silence = (await readSilences(signal)).find((one) => one.id === id);
  if (silence) return silence;
  throw new Error(
    `There is no silence ${JSON.stringify(id)}: it ended long ago and was forgotten. Make a new one.`,
  );
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

/** The labels of the alerts that match at the moment, by the server's own judgement. */
export async function readMatched(matchers: readonly Matcher[], signal: AbortSignal): Promise<Labels[]> {
  const found = await getBare(`/api/v2/alerts?${filterParams(matchers)}`, signal);
  return (found as { labels: Labels }[]).map(({ labels }) => labels);
}

/** The address of the form of a new silence. */
export function silenceAddress(matchers: readonly Matcher[]): string {
  return `/alerts/silences/new?${filterParams(matchers)}`;
}
