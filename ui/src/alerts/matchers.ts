/** Matchers of labels as Alertmanager and its people write them: `severity=~"critical|page"`. */

import type { Labels } from "../api/answers";

export type Op = "=" | "!=" | "=~" | "!~";

export interface Matcher {
  readonly name: string;
  readonly op: Op;
  readonly value: string;
}

const CLASSIC_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const MATCHER = /^([a-zA-Z_:][a-zA-Z0-9_:]*|"(?:[^"\\\n]|\\.)+")\s*(=~|!~|!=|=)\s*(.*)$/s;
const QUOTED = /^"((?:[^"\\]|\\.)*)"$/s;
const LONE_QUOTE = /(?<!\\)(?:\\\\)*"/;

/** Read one matcher, its value quoted or not; null where it is none. The server judges regular expressions. */
export function parseMatcher(text: string): Matcher | null {
  const [, name, op, raw] = MATCHER.exec(text.trim()) ?? [];
  if (name === undefined || raw === undefined) return null;
  const value = unquote(raw);
  return value === null ? null : { name: unquote(name)!, op: op as Op, value };
}

/** Read the matchers of `text`, on lines or between commas, in braces or not; or return the first that is none. */
export function parseMatchers(text: string): Matcher[] | string {
  const parts = text.split("\n").flatMap((line) => splitAtCommas(line.trim().replace(/^\{(.*)\}$/, "$1")));
  const matchers = parts.map(parseMatcher);
  const wrong = matchers.indexOf(null);
  return wrong < 0 ? matchers.filter((one) => one !== null) : parts[wrong]!.trim();
}

/** The parts of a line between the commas that stand outside of quotes; what is empty says nothing. */
function splitAtCommas(line: string): string[] {
  const parts = line.match(/(?:"(?:[^"\\]|\\.)*"?|[^",]|\\.)+/g) ?? [];
  return parts.filter((part) => part.trim());
}

/** Take quotes and escapes away; a backslash before any other character is a backslash, as `\.` shows. */
function unquote(raw: string): string | null {
  const inner = raw.startsWith('"') ? QUOTED.exec(raw)?.[1] : LONE_QUOTE.test(raw) ? undefined : raw;
  return inner?.replace(/\\([n"\\])/g, (_, one: string) => (one === "n" ? "\n" : one)) ?? null;
}

/** Spell a matcher so that `parseMatcher`, the server and amtool read it back. */
export function spellMatcher({ name, op, value }: Matcher): string {
  return `${CLASSIC_NAME.test(name) ? name : quote(name)}${op}${quote(value)}`;
}

const quote = (text: string): string =>
  `"${text.replace(/[\\"\n]/g, (one) => (one === "\n" ? "\\n" : `\\${one}`))}"`;

/** The matchers that describe exactly the alerts that have `labels`. */
export function matchersOf(labels: Labels): Matcher[] {
  return Object.entries(labels)
    .sort(([one], [other]) => rank(one) - rank(other) || (one < other ? -1 : 1))
    .map(([name, value]) => ({ name, op: "=", value }));
}

/** An alert is called by its name first. */
const rank = (name: string): number => (name === "alertname" ? 0 : 1);

/** Parameters of an address that hold `matchers`. */
export function filterParams(matchers: readonly Matcher[]): URLSearchParams {
  return new URLSearchParams(matchers.map((one) => ["filter", spellMatcher(one)]));
}

/** The matchers in the parameters of an address, and what is none or cannot be tried here. */
export function readFilters(params: URLSearchParams): { filters: Matcher[]; wrong: string[] } {
  const filters: Matcher[] = [];
  const wrong: string[] = [];
  for (const text of params.getAll("filter")) {
    const matcher = parseMatcher(text);
    if (matcher === null || compile(matcher) === null) wrong.push(text);
    else filters.push(matcher);
  }
  return { filters, wrong };
}

/** What tells whether labels satisfy every matcher; a label that is missing is empty. */
export function satisfying(matchers: readonly Matcher[]): (labels: Labels) => boolean {
  const tests = matchers.map((matcher) => [matcher.name, compile(matcher)] as const);
  return (labels) => tests.every(([name, test]) => test?.(labels[name] ?? "") ?? false);
}

/** The test of a matcher's value, anchored at both ends; null for an expression that the browser cannot read. */
function compile({ op, value }: Matcher): ((given: string) => boolean) | null {
  if (op === "=") return (given) => given === value;
  if (op === "!=") return (given) => given !== value;
  try {
    const pattern = new RegExp(`^(?:${value})$`);
    return (given) => pattern.test(given) === (op === "=~");
  } catch {
    return null;
  }
}
