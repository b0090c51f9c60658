/** Receivers as the server knows them, and what could not be delivered to them. */

import type { Labels } from "../api/answers";
import { getJson, send } from "../api/client";

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
