/** Incidents as the server keeps them: alerts that began together, and what people did about them. */

import type { Labels } from "../api/answers";
import { getJson, send } from "../api/client";

export type IncidentState = "open" | "acknowledged" | "resolved";
export type Action = "acknowledge" | "assign" | "comment" | "resolve" | "reopen";

export const INCIDENT_TONES: Record<IncidentState, "bad" | "warn" | "good"> = {
  open: "bad",
  acknowledged: "warn",
  resolved: "good",
};

export interface Incident {
  readonly id: string;
  readonly title: string;
  readonly severity: string;
  readonly state: IncidentState;
  readonly isFlapping: boolean;
  readonly openedAt: string;
  readonly acknowledgedAt: string | null;
  readonly acknowledgedBy: string;
  readonly resolvedAt: string | null;
  readonly resolvedBy: string;
  readonly assignee: string;
  readonly alertCount: number;
  readonly firingCount: number;
  readonly timeToAcknowledgeS: number | null;
  readonly timeToResolveS: number | null;
  /** What its alerts share. */
  readonly labels: Labels;
  readonly receivers: readonly string[];
}

export interface IncidentAlert {
  readonly fingerprint: string;
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly startsAt: string;
  readonly endsAt: string | null;
  readonly isFlapping: boolean;
}

export interface TimelineEntry {
  readonly at: string;
  readonly kind: string;
  readonly by: string;
  readonly text: string;
}

export interface WholeIncident extends Incident {
  readonly alerts: readonly IncidentAlert[];
  /** The oldest first. */
  readonly timeline: readonly TimelineEntry[];
  /** How many entries there was no room for. */
  readonly timelineLeftOut: number;
  readonly evidenceIds: readonly string[];
}

export interface Figures {
  readonly count: number;
  readonly acknowledged: number;
  readonly resolved: number;
  readonly meanTimeToAcknowledgeS: number | null;
  readonly meanTimeToResolveS: number | null;
  readonly medianTimeToAcknowledgeS: number | null;
  readonly medianTimeToResolveS: number | null;
}

export interface AllFigures extends Figures {
  readonly bySeverity: readonly (Figures & { readonly severity: string })[];
  readonly byAlertname: readonly (Figures & { readonly alertname: string })[];
}

/** What a person does; `to` is whom it is given to, `text` what is said. */
export interface Deed {
  readonly by: string;
  readonly to?: string;
  readonly text?: string;
}

const PATH = "/api/veriscope/v1/incidents";

/** The newest incidents that are in one of `states`, at most `limit` of each. */
export async function readIncidents(
  states: readonly IncidentState[],
  limit: number,
  signal: AbortSignal,
): Promise<Incident[]> {
  const parts = await Promise.all(
    states.map(async (state) => {
      const params = new URLSearchParams({ state, limit: String(limit) });
      return (await getJson(`${PATH}?${params}`, signal)).data as readonly Incident[];
    }),
  );
  return parts.flat().sort((one, other) => Date.parse(other.openedAt) - Date.parse(one.openedAt));
}

/** The incidents that an alert belongs to, the newest first. */
export async function readIncidentsOf(
  fingerprint: string,
  signal: AbortSignal,
): Promise<readonly Incident[]> {
  return (await getJson(`${PATH}?${new URLSearchParams({ fingerprint })}`, signal))
    .data as readonly Incident[];
}

export async function readIncident(id: string, signal: AbortSignal): Promise<WholeIncident> {
  return (await getJson(`${PATH}/${encodeURIComponent(id)}`, signal)).data as WholeIncident;
}

/** Figures of the incidents that began between two moments, in Unix seconds. */
export async function readFigures(start: number, end: number, signal: AbortSignal): Promise<AllFigures> {
  const params = new URLSearchParams({ start: start.toFixed(0), end: end.toFixed(0) });
  return (await getJson(`${PATH}/figures?${params}`, signal)).data as AllFigures;
}

export async function act(id: string, action: Action, deed: Deed): Promise<void> {
  await send("POST", `${PATH}/${encodeURIComponent(id)}/${action}`, deed);
}

/** What can be done with an incident in `state`, what comes next first. */
export function actionsOf(state: IncidentState): Action[] {
  switch (state) {
    case "open":
      return ["acknowledge", "resolve", "comment"];
    case "acknowledged":
      return ["resolve", "comment"];
    case "resolved":
      return ["reopen", "comment"];
  }
}

export function incidentAddress(id: string): string {
  return `/incidents/${encodeURIComponent(id)}`;
}

/** What tells whether an incident has every word of `search`. */
export function finding(search: string): (incident: Incident) => boolean {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  return ({ id, title, severity, assignee, labels }) => {
    const text = [id, title, severity, assignee, ...Object.values(labels)].join("\n").toLowerCase();
    return words.every((word) => text.includes(word));
  };
}
