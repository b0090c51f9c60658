/** The answers of the Prometheus query API, with values as numbers. */

export type Labels = Readonly<Record<string, string>>;

/** A time in Unix seconds and a value. */
export type Point = readonly [time: number, value: number];

export interface Series {
  readonly labels: Labels;
  readonly points: readonly Point[];
}

export interface Answer {
  readonly kind: "matrix" | "vector" | "scalar" | "string";
  readonly series: readonly Series[];
  /** The text of a `string` answer. */
  readonly text?: string;
  readonly warnings: readonly string[];
}

type RawPoint = [number, string];
type RawSeries = { metric: Record<string, string>; values?: RawPoint[]; value?: RawPoint };

export interface RawAnswer {
  readonly data: { resultType: string; result: unknown };
  readonly warnings?: readonly string[];
  readonly infos?: readonly string[];
}

/** Read a value as Prometheus writes it in JSON: `"1.5"`, `"NaN"`, `"+Inf"`, `"-Inf"`. */
export function parseSampleValue(text: string): number {
  if (text === "+Inf" || text === "Inf") return Infinity;
  if (text === "-Inf") return -Infinity;
  return Number(text);
}

const toPoint = ([time, text]: RawPoint): Point => [time, parseSampleValue(text)];

/**
 * Turn the JSON of a query into series.
 *
 * Native histograms have no plain value; such series keep their labels and have no points.
 */
export function readAnswer(raw: RawAnswer): Answer {
  const warnings = [...(raw.warnings ?? []), ...(raw.infos ?? [])];
  const { resultType, result } = raw.data;
  switch (resultType) {
    case "matrix":
    case "vector":
      return { kind: resultType, series: (result as RawSeries[]).map(readSeries), warnings };
    case "scalar":
      return { kind: resultType, series: [{ labels: {}, points: [toPoint(result as RawPoint)] }], warnings };
    case "string":
      return { kind: resultType, series: [], text: (result as RawPoint)[1], warnings };
    default:
      throw new Error(`the server answered with an unknown result type ${JSON.stringify(resultType)}`);
  }
}

function readSeries({ metric, value, values }: RawSeries): Series {
  return { labels: metric, points: (values ?? (value ? [value] : [])).map(toPoint) };
}

/** The newest value of a series, or undefined where it has none. */
export function latest(series: Series | undefined): number | undefined {
  return series?.points.at(-1)?.[1];
}

/** Spell labels as PromQL does: `name{a="b"}`; `{}` for none. */
export function spellLabels(labels: Labels): string {
  const { __name__: name = "", ...rest } = labels;
  const pairs = Object.entries(rest).sort(([a], [b]) => (a < b ? -1 : 1));
  const inner = pairs.map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(", ");
  return inner || !name ? `${name}{${inner}}` : name;
}
