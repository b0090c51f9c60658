/** Matchers of labels as Alertmanager and its people write them: `severity=~"critical|page"`. */

import type { Labels } from "../api/answers";

export type Op = "=" | "!=" | "=~" | "!~";

export interface Matcher {
  readonly name: string;
  readonly op: Op;
  readonly value: string;
}

const MATCHER = /^([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*(.*)$/s;

/** Read one matcher, its value quoted or not; null where it is none. */
export function parseMatcher(text: string): Matcher | null {
  const [, name, op, raw] = MATCHER.exec(text.trim()) ?? [];
  if (name === undefined || raw === undefined) return null;
  const value = unquote(raw);
  if (value === null) return null;
  const matcher = { name, op: op as Op, value };
  return compile(matcher) === null ? null : matcher;
}

function unquote(raw: string): string | null {
  if (!raw.startsWith('"')) return raw.includes('"') ? null : raw;
  try {
    const value: unknown = JSON.parse(raw);
    return typeof value === "string" ? value : null;
  } catch {
    return null;
  }
}

/** Spell a matcher so that `parseMatcher`, and amtool, read it back. */
export function spellMatcher({ name, op, value }: Matcher): string {
  return `${name}${op}${JSON.stringify(value)}`;
}

/** The matchers that describe exactly the alerts that have `labels`. */
export function matchersOf(labels: Labels): Matcher[] {
  return Object.entries(labels)
    .sort(([one], [other]) => rank(one) - rank(other) || (one < other ? -1 : 1))
    .map(([name, value]) => ({ name, op: "=", value }));
}

/** An alert is called by its name first. */
const rank = (name: string): number => (name === "alertname" ? 0 : 1);

/** Whether `labels` satisfy every matcher; a label that is missing is empty. */
export function satisfies(labels: Labels, matchers: readonly Matcher[]): boolean {
  return matchers.every((matcher) => compile(matcher)?.(labels[matcher.name] ?? "") ?? false);
}

/** The test of a matcher's value, anchored at both ends; null for a regular expression that is wrong. */
function compile({ op, value }: Matcher): ((given: string) => boolean) | null {
  if (op === "=") return (given) => given === value;
  if (op === "!=") return (given) => given !== value;
  try {
    const pattern = new RegExp(`^(?:${value})$`, "s");
    return (given) => pattern.test(given) === (op === "=~");
  } catch {
    return null;
  }
}
