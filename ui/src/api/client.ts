/** The Prometheus query API of the server that sent this page. */

import { readAnswer, type Answer, type RawAnswer } from "./answers";
import type { Grid } from "./lines";

/** The server refused or could not be reached; the message is for people. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly kind: string;

  constructor(message: string, kind: string) {
    super(message);
    this.kind = kind;
  }

  /** Whether the server is not there at all, rather than saying no. */
  get unreachable(): boolean {
    return this.kind === "unreachable";
  }
}

/** Longer than the server's own limit for one query, so that its message comes first. */
const TIMEOUT_MS = 130_000;

let skewSeconds = 0;

/** The server's clock in Unix seconds; the browser may run on another machine. */
export function serverNow(): number {
  return Date.now() / 1000 + skewSeconds;
}

/** Evaluate `expr` at `time` (Unix seconds), or at the server's own now. */
export async function queryInstant(
  expr: string,
  options: { time?: number; signal?: AbortSignal } = {},
): Promise<Answer> {
  const params = new URLSearchParams({ query: expr });
  if (options.time !== undefined) params.set("time", options.time.toFixed(3));
  const answer = await get("/api/v1/query", params, options.signal);
  const served = answer.series[0]?.points.at(-1)?.[0];
  if (options.time === undefined && served !== undefined) skewSeconds = served - Date.now() / 1000;
  return answer;
}

/** Evaluate `expr` on every step of `grid`. */
export async function queryRange(expr: string, grid: Grid, signal?: AbortSignal): Promise<Answer> {
  const params = new URLSearchParams({
    query: expr,
    start: grid.start.toFixed(3),
    end: grid.end.toFixed(3),
    step: String(grid.step),
  });
  return get("/api/v1/query_range", params, signal);
}

async function get(path: string, params: URLSearchParams, signal?: AbortSignal): Promise<Answer> {
  return readAnswer((await getJson(`${path}?${params}`, signal)) as RawAnswer);
}

/** The JSON at `path`, an envelope whose `status` is `success`; everything else is an `ApiError`. */
export async function getJson(path: string, signal?: AbortSignal): Promise<{ data: unknown }> {
  const { response, body } = await request(path, {}, signal);
  const { status, error, errorType } = body as { status?: string; error?: string; errorType?: string };
  if (status !== "success")
    throw new ApiError(error ?? `The server answered ${response.status}.`, errorType ?? "internal");
  return body as { data: unknown };
}

/** The JSON at `path` of an API without envelopes, such as Alertmanager's. */
export async function getBare(path: string, signal?: AbortSignal): Promise<unknown> {
  const { response, body } = await request(path, {}, signal);
  if (!response.ok) throw refusal(response, body);
  return body;
}

/** Have the server change something; the answer is its JSON, or undefined where it says nothing. */
export async function send(method: "POST" | "DELETE", path: string, document?: unknown): Promise<unknown> {
  const content =
    document === undefined
      ? {}
      : { body: JSON.stringify(document), headers: { "Content-Type": "application/json" } };
  const { response, body } = await request(path, { method, ...content });
  if (!response.ok) throw refusal(response, body);
  return body;
}

async function request(
  path: string,
  init: RequestInit,
  signal?: AbortSignal,
): Promise<{ response: Response; body: unknown }> {
  const limit = AbortSignal.timeout(TIMEOUT_MS);
  let response: Response;
  try {
    response = await fetch(path, { ...init, signal: signal ? AbortSignal.any([signal, limit]) : limit });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError("The server does not answer.", "unreachable");
  }
  return { response, body: await decode(response) };
}

async function decode(response: Response): Promise<unknown> {
  const text = await response.text();
  if (text === "") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    const gone = response.status >= 500;
    throw new ApiError(
      `The server answered ${response.status} ${response.statusText}`.trim() +
        ` instead of JSON: ${text.slice(0, 200)}`,
      gone ? "unreachable" : "bad_answer",
    );
  }
}

/** Why the server refused: a text, or an object that holds one. */
function refusal({ status }: Response, body: unknown): ApiError {
  const { message, error, errorType } = (body ?? {}) as Record<string, string | undefined>;
  const text = typeof body === "string" ? body : (error ?? message);
  return new ApiError(text ?? `The server answered ${status}.`, errorType ?? String(status));
}
