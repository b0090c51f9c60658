/** A small curve without axes, for a number's recent past. */

import { gridLength, type Grid, type Line } from "../api/lines";

const NAMESPACE = "http://www.w3.org/2000/svg";
const WIDTH = 200;
const HEIGHT = 36;

export class Sparkline {
  readonly element = document.createElementNS(NAMESPACE, "svg");
  readonly #area = document.createElementNS(NAMESPACE, "path");
  readonly #line = document.createElementNS(NAMESPACE, "path");

  constructor() {
    this.element.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    this.element.setAttribute("preserveAspectRatio", "none");
    this.element.setAttribute("class", "sparkline");
    this.element.setAttribute("aria-hidden", "true");
    this.#area.setAttribute("class", "sparkline-area");
    this.#line.setAttribute("class", "sparkline-line");
    this.element.append(this.#area, this.#line);
  }

  /** Draw `line` between zero and `max`, or its own maximum; gaps stay gaps. */
  draw(grid: Grid, line: Line | undefined, max?: number): void {
    const values = line?.values ?? [];
    const top = max ?? Math.max(...values.map((value) => value ?? 0), 1e-9) * 1.15;
    const across = WIDTH / Math.max(1, gridLength(grid) - 1);
    const pieces = runs(values).map((run) =>
      run.map(([index, value]) => {
        const y = HEIGHT - 1.5 - (Math.max(0, value) / top) * (HEIGHT - 4);
        return { x: (index * across).toFixed(1), text: `${(index * across).toFixed(1)},${y.toFixed(1)}` };
      }),
    );
    const paths = pieces.map((points) => ({
      curve: `M${points.map(({ text }) => text).join("L")}`,
      floor: `L${points.at(-1)!.x},${HEIGHT}L${points[0]!.x},${HEIGHT}Z`,
    }));
    this.#line.setAttribute("d", paths.map(({ curve }) => curve).join(""));
    this.#area.setAttribute("d", paths.map(({ curve, floor }) => curve + floor).join(""));
  }
}

/** Split `values` where they are absent; each run holds indices and values. */
export function runs(values: readonly (number | null)[]): [index: number, value: number][][] {
  const found: [number, number][][] = [];
  values.forEach((value, index) => {
    if (value === null) return;
    const last = found.at(-1);
    if (last && last.at(-1)![0] === index - 1) last.push([index, value]);
    else found.push([[index, value]]);
  });
  return found;
}
