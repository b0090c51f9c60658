/** Times and durations as people and URLs spell them. */

const UNIT_SECONDS: Record<string, number> = {
  y: 31_536_000,
  w: 604_800,
  d: 86_400,
  h: 3600,
  m: 60,
  s: 1,
  ms: 0.001,
};
const DURATION = /^(?:\d+(?:\.\d+)?(?:ms|[ywdhms]))+$/;
const PART = /(\d+(?:\.\d+)?)(ms|[ywdhms])/g;

/** Read `1h30m`, `15s`, `250ms` or a bare number of seconds; null where it is neither. */
export function parseDuration(text: string): number | null {
  const trimmed = text.trim();
  if (/^\d+(\.\d+)?$/.test(trimmed)) return Number(trimmed) || null;
  if (!DURATION.test(trimmed)) return null;
  let seconds = 0;
  for (const [, count, unit] of trimmed.matchAll(PART)) seconds += Number(count) * UNIT_SECONDS[unit!]!;
  return seconds || null;
}

/** Spell seconds as `parseDuration` and PromQL read them: `90` is `1m30s`. */
export function spellDuration(seconds: number): string {
  let rest = Math.round(seconds * 1000);
  let text = "";
  for (const [unit, size] of Object.entries(UNIT_SECONDS)) {
    const count = Math.floor(rest / (size * 1000));
    rest -= count * size * 1000;
    if (count) text += `${count}${unit}`;
  }
  return text || "0s";
}

const pad = (value: number): string => String(value).padStart(2, "0");

/** `14:03:07` in the reader's time zone. */
export function formatClock(seconds: number): string {
  const date = new Date(seconds * 1000);
  return `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
}

/** `2026-11-23 14:03:07` in the reader's time zone. */
export function formatDateTime(seconds: number): string {
  return `${formatDate(seconds)} ${formatClock(seconds)}`;
}

function formatDate(seconds: number): string {
  const date = new Date(seconds * 1000);
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
}

/** Label the ticks of a time axis that are `stepSeconds` apart; midnight shows the date. */
export function tickLabel(seconds: number, stepSeconds: number): string {
  const clock = formatClock(seconds);
  if (clock === "00:00:00" || stepSeconds >= 86_400) return formatDate(seconds).slice(5);
  return stepSeconds < 60 ? clock : clock.slice(0, 5);
}

/** The value of an `<input type="datetime-local" step="1">`, in the reader's time zone. */
export function toLocalInput(seconds: number): string {
  return `${formatDate(seconds)}T${formatClock(seconds)}`;
}

/** Read what `toLocalInput` wrote, or null where the field is empty or wrong. */
export function fromLocalInput(text: string): number | null {
  const ms = new Date(text).getTime();
  return Number.isNaN(ms) ? null : ms / 1000;
}
