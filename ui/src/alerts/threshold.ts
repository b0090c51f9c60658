/** What an alert's expression compares, so that a chart can show both sides of it. */

export interface Comparison {
  /** The side that changes. */
  readonly expr: string;
  readonly op: string;
  readonly threshold: number;
}

const OPERATOR = /^(?:==|!=|<=|>=|<|>)/;
const CLOSING: Record<string, string> = { "(": ")", "[": "]", "{": "}" };

/**
 * Split `expr` at its last comparison outside of brackets, if a plain number stands right of it.
 *
 * An expression of several conditions (`and`, `or`, `unless`) has no single threshold: null.
 */
export function splitComparison(expr: string): Comparison | null {
  const bare = blankNested(expr);
  if (/\b(?:and|or|unless|bool)\b/.test(bare)) return null;
  for (let at = bare.length - 1; at > 0; at -= 1) {
    const start = at - (/[=<>!]/.test(bare[at - 1]!) ? 1 : 0);
    const op = OPERATOR.exec(bare.slice(start))?.[0];
    if (op === undefined) continue;
    const right = expr.slice(start + op.length).trim();
    const threshold = Number(right);
    const left = expr.slice(0, start).trim();
    return right !== "" && Number.isFinite(threshold) && left !== "" ? { expr: left, op, threshold } : null;
  }
  return null;
}

/** `expr` with everything in brackets or quotes blank, each character in its place. */
function blankNested(expr: string): string {
  const open: string[] = [];
  let quote = "";
  let bare = "";
  for (let at = 0; at < expr.length; at += 1) {
    const character = expr[at]!;
    const inside = quote !== "" || open.length > 0;
    if (quote !== "") {
      if (character === "\\" && quote !== "`") {
        bare += " ";
        at += 1;
      } else if (character === quote) quote = "";
    } else if (`"'\``.includes(character)) quote = character;
    else if (CLOSING[character]) open.push(CLOSING[character]);
    else if (character === open.at(-1)) open.pop();
    bare += inside || quote !== "" || open.length > 0 ? " " : character;
  }
  return bare;
}
