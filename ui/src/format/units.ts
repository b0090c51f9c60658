/** Numbers as people read them: short, with a unit, the same width from one second to the next. */

/** What a value measures; `ratio` is 0–1 and shown as a percentage. */
export type Unit =
  | "bytes"
  | "bytes/s"
  | "celsius"
  | "count"
  | "number"
  | "per second"
  | "percent"
  | "ratio"
  | "seconds"
  | "watts";

const IEC = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
const SI_LARGE = ["", "k", "M", "G", "T", "P", "E"];
const DURATION: readonly [name: string, seconds: number][] = [
  ["y", 31_536_000],
  ["d", 86_400],
  ["h", 3600],
  ["min", 60],
];

/** What stands where there is no value. */
export const NOTHING = "–";

/** A double holds no more than this many digits that mean something. */
const MOST_FIGURES = 15;

/** Spell `value` with three significant digits and its unit; `–` where there is none. */
export function formatValue(value: number | null | undefined, unit: Unit, figures = 3): string {
  if (value === null || value === undefined || Number.isNaN(value)) return NOTHING;
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  switch (unit) {
    case "bytes":
      return scaled(value, 1024, IEC, " ", figures);
    case "bytes/s":
      return `${scaled(value, 1024, IEC, " ", figures)}/s`;
    case "ratio":
      return `${digits(value * 100, figures, figures - 1)}%`;
    case "percent":
      return `${digits(value, figures, figures - 1)}%`;
    case "seconds":
      return formatSeconds(value, figures);
    case "celsius":
      return `${digits(value, figures)} °C`;
    case "watts":
      return `${digits(value, figures)} W`;
    case "per second":
      return `${formatNumber(value, figures)}/s`;
    case "count":
      return Math.abs(value) < 10_000 ? String(Math.round(value)) : formatNumber(value, figures);
    case "number":
      return formatNumber(value, figures);
  }
}

/** Spell the ticks of an axis, with as many digits as their distance asks for. */
export function formatTicks(values: readonly number[], unit: Unit): string[] {
  const step = Math.abs((values[1] ?? 0) - (values[0] ?? 0));
  const most = Math.max(...values.map(Math.abs));
  // Half a thing cannot be counted, but an axis may have a tick there.
  const shown = unit === "count" && step % 1 !== 0 ? "number" : unit;
  // Two digits for the step itself, and as many as the largest tick is longer than the step.
  const figures = step > 0 ? Math.ceil(Math.log10(most / step)) + 2 : 3;
  return values.map((value) => formatValue(value, shown, Math.min(MOST_FIGURES, Math.max(3, figures))));
}

/** Spell a plain number with SI prefixes, small ones in scientific notation. */
export function formatNumber(value: number, figures = 3): string {
  const size = Math.abs(value);
  if (size >= 999.5) return scaled(value, 1000, SI_LARGE, "", figures);
  if (size > 0 && size < 0.001) return value.toExponential(2).replace(/^-/, "−");
  return digits(value, figures);
}

/** Spell every digit of a number, as a table cell should. */
export function formatExact(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  return String(value);
}

/** Spell a length of time: `850 µs`, `12.4 ms`, `3.2 s`, `4 min 10 s`, `2 d 3 h`. */
export function formatSeconds(value: number, figures = 3): string {
  const size = Math.abs(value);
  if (size === 0) return "0 s";
  if (size < 1e-6) return `${digits(value * 1e9, figures)} ns`;
  if (size < 1e-3) return `${digits(value * 1e6, figures)} µs`;
  if (size < 1) return `${digits(value * 1e3, figures)} ms`;
  if (size < 60) return `${digits(value, figures)} s`;
  return longDuration(value);
}

function longDuration(value: number): string {
  const sign = value < 0 ? "−" : "";
  const size = Math.abs(value);
  const at = DURATION.findIndex(([, seconds]) => size >= seconds);
  const [name, seconds] = DURATION[at]!;
  const [nextName, nextSeconds] = DURATION[at + 1] ?? ["s", 1];
  const rest = Math.floor((size % seconds) / nextSeconds);
  const whole = `${sign}${Math.floor(size / seconds)} ${name}`;
  return rest > 0 ? `${whole} ${rest} ${nextName}` : whole;
}

function scaled(value: number, base: number, names: string[], gap: string, figures: number): string {
  let power = 0;
  let size = Math.abs(value);
  // 999.5 would print as "1000": it belongs to the next unit already.
  while (size >= base - base / 2000 && power < names.length - 1) {
    size /= base;
    power += 1;
  }
  return `${digits(value / base ** power, figures)}${gap}${names[power]}`.trim();
}

/** Keep `figures` significant digits, more only left of the point, and at most `most` right of it. */
function digits(value: number, figures: number, most = 100): string {
  const size = Math.abs(value);
  if (size === 0) return "0";
  const whole = size >= 1 ? Math.floor(Math.log10(size * (1 + 0.5 * 10 ** -figures))) + 1 : 0;
  const text = value.toFixed(Math.min(most, Math.max(0, figures - whole)));
  const short = text.includes(".") ? text.replace(/\.?0+$/, "") : text;
  return short === "-0" ? "0" : short.replace("-", "−");
}

/** Guess the unit of series from their metric names, which carry it in Prometheus' convention. */
export function unitOfNames(names: readonly string[]): Unit {
  const units = new Set(names.map(unitOfName));
  const [only] = units;
  return units.size === 1 && only ? only : "number";
}

function unitOfName(name: string): Unit {
  if (/_bytes(_total)?$/.test(name)) return "bytes";
  if (/_timestamp_seconds$|_time_seconds$|_boot_time_seconds$/.test(name)) return "number";
  if (/_seconds(_total|_sum)?$/.test(name)) return "seconds";
  if (/_ratio$/.test(name)) return "ratio";
  if (/_celsius$/.test(name)) return "celsius";
  if (/_watts$/.test(name)) return "watts";
  return "number";
}
