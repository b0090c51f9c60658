/** A time chart: uPlot with Veriscope's axes, colours, tooltip and stacking. */

import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

import { gridTimes, stackLines, type Grid, type Line } from "../api/lines";
import { formatTicks, type Unit } from "../format/units";
import { tickLabel } from "../format/time";
import { h } from "../dom/element";
import { seriesDash, token } from "./palette";
import { Tooltip } from "./tooltip";

/** A named line in a colour. `order` picks the dash pattern once the colours run out. */
export interface Curve extends Line {
  readonly name: string;
  readonly color: string;
  readonly order: number;
}

export interface PlotOptions {
  /** What the chart shows, for those who cannot see it. */
  readonly label: string;
  readonly unit: Unit;
  readonly height: number;
  readonly stacked?: boolean;
  readonly min?: number;
  readonly max?: number;
  /** Charts of one group share the crosshair. */
  readonly group?: string;
  /** Called with the range (Unix seconds) that was marked by dragging. */
  readonly onSelect?: (from: number, to: number) => void;
}

const FONT = "11px system-ui, sans-serif";
/** Steps of the time axis in seconds, round for the eye. */
const TIME_STEPS = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800,
  604_800, 2_592_000,
];
/** The width of a character of an axis label, in CSS pixels. */
const CHARACTER = 6.6;
/** Half of the widest time label, so that one at the right edge is not cut. */
const EDGE = 24;
const POWERS_OF_TWO = Array.from({ length: 60 }, (_, power) => 2 ** power);

export class Plot {
  readonly element: HTMLElement;
  readonly #options: PlotOptions;
  readonly #tooltip: Tooltip;
  readonly #resize: ResizeObserver;
  #chart: uPlot | undefined;
  #shape = "";
  #curves: readonly Curve[] = [];
  #grid: Grid = { start: 0, end: 1, step: 1 };
  #mark: number | null = null;

  constructor(options: PlotOptions) {
    this.#options = options;
    this.#tooltip = new Tooltip(options.unit);
    this.element = h("div", {
      class: "plot",
      style: `height:${options.height}px`,
      role: "img",
      "aria-label": options.label,
    });
    this.element.append(this.#tooltip.element);
    this.#resize = new ResizeObserver(() => this.#fit());
    this.#resize.observe(this.element);
    document.addEventListener("themechange", this.#repaint);
  }

  /** Show `curves`, which lie on `grid`. */
  draw(grid: Grid, curves: readonly Curve[]): void {
    this.#grid = grid;
    this.#curves = curves;
    const shape = JSON.stringify(curves.map(({ key, color, order }) => [key, color, order]));
    if (this.#chart && shape === this.#shape) {
      this.#chart.setData(this.#columns());
      return;
    }
    this.#shape = shape;
    this.#chart?.destroy();
    this.#chart = new uPlot(this.#describe(), this.#columns(), this.element);
  }

  /** Draw an upright line at `time` (Unix seconds) from the next drawing on, or none. */
  mark(time: number | null): void {
    this.#mark = time;
  }

  destroy(): void {
    this.#resize.disconnect();
    document.removeEventListener("themechange", this.#repaint);
    this.#chart?.destroy();
  }

  readonly #repaint = (): void => this.#chart?.redraw(false, true);

  #fit(): void {
    const width = this.element.clientWidth;
    if (this.#chart && width > 0) this.#chart.setSize({ width, height: this.#options.height });
  }

  #columns(): uPlot.AlignedData {
    const lines = this.#options.stacked ? stackLines(this.#curves) : this.#curves;
    return [gridTimes(this.#grid), ...lines.map(({ values }) => values)];
  }

  #describe(): uPlot.Options {
    const { height, stacked, group, onSelect } = this.#options;
    return {
      width: this.element.clientWidth || 300,
      height,
      padding: [8, EDGE, 0, 0],
      legend: { show: false },
      cursor: {
        y: false,
        points: { size: 6, width: 0 },
        drag: { x: onSelect !== undefined, y: false, setScale: false },
        ...(group ? { sync: { key: group, setSeries: false } } : {}),
      },
      scales: {
        x: {
          time: true,
          range: () => [this.#grid.start, Math.max(this.#grid.end, this.#grid.start + this.#grid.step)],
        },
        y: { range: (_, low, high) => this.#yRange(low, high) },
      },
      axes: [this.#timeAxis(), this.#valueAxis()],
      series: [{}, ...this.#curves.map((curve) => this.#series(curve))],
      ...(stacked
        ? {
            bands: this.#curves
              .slice(1)
              .map((_, index) => ({ series: [index + 2, index + 1] as [number, number] })),
          }
        : {}),
      hooks: {
        setCursor: [(chart) => this.#hover(chart)],
        setSelect: [(chart) => this.#select(chart)],
        draw: [(chart) => this.#drawMark(chart)],
      },
    };
  }

  #series(curve: Curve): uPlot.Series {
    const { stacked } = this.#options;
    return {
      label: curve.name,
      stroke: () => token(curve.color),
      width: stacked ? 1 : 1.5,
      dash: seriesDash(curve.order),
      points: { show: () => isLonely(curve.values) },
      ...(stacked
        ? { fill: () => `color-mix(in srgb, ${token(curve.color)} 55%, ${token("surface")})` }
        : {}),
      ...(!stacked && this.#curves.length === 1
        ? { fill: () => `color-mix(in srgb, ${token(curve.color)} 12%, transparent)` }
        : {}),
    };
  }

  #timeAxis(): uPlot.Axis {
    return {
      font: FONT,
      size: 26,
      gap: 6,
      space: 64,
      incrs: TIME_STEPS,
      stroke: () => token("text-muted"),
      grid: { stroke: () => token("chart-grid"), width: 1 },
      ticks: { show: false },
      values: (_, splits, __, ___, step) => splits.map((split) => tickLabel(split, step)),
    };
  }

  #valueAxis(): uPlot.Axis {
    const { unit } = this.#options;
    return {
      font: FONT,
      size: (_, labels) => axisWidth(labels),
      gap: 8,
      space: 34,
      stroke: () => token("text-muted"),
      grid: { stroke: () => token("chart-grid"), width: 1 },
      ticks: { show: false },
      values: (_, splits) => formatTicks(splits, unit),
      ...(unit.startsWith("bytes") ? { incrs: POWERS_OF_TWO } : {}),
    };
  }

  /** Start at zero unless that would flatten the lines, and leave some air above them. */
  #yRange(low: number | null, high: number | null): [number, number] {
    const { min, max } = this.#options;
    const top = max ?? (high === null ? 1 : high);
    const bottom = low === null ? 0 : low;
    if (min === undefined && bottom > top * 0.7) return pad(bottom, top);
    const floor = min ?? Math.min(0, bottom);
    if (max !== undefined) return [floor, max];
    if (top <= floor) return [floor, floor + 1];
    return [floor < 0 ? floor - (top - floor) * 0.05 : floor, top + (top - floor) * 0.08];
  }

  #drawMark({ ctx, bbox, valToPos }: uPlot): void {
    if (this.#mark === null || this.#mark < this.#grid.start || this.#mark > this.#grid.end) return;
    const x = Math.round(valToPos(this.#mark, "x", true)) + 0.5;
    ctx.save();
    ctx.strokeStyle = token("border-strong");
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.restore();
  }

  #hover(chart: uPlot): void {
    const { idx, left, top } = chart.cursor;
    const here = chart.over.matches(":hover");
    if (!here || idx === null || idx === undefined || left === undefined || left < 0) this.#tooltip.hide();
    else
      this.#tooltip.show(
        chart.data[0][idx]!,
        this.#curves,
        idx,
        chart.bbox.left / devicePixelRatio + left,
        top ?? 0,
      );
  }

  #select(chart: uPlot): void {
    const { left, width } = chart.select;
    if (width < 4) return;
    const from = chart.posToVal(left, "x");
    const to = chart.posToVal(left + width, "x");
    chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.#options.onSelect?.(from, to);
  }
}

/** A point without neighbours would be invisible as a line. */
function isLonely(values: Line["values"]): boolean {
  return values.filter((value) => value !== null).length === 1;
}

/** Room for the longest label, in steps of ten pixels so that a chart does not twitch. */
function axisWidth(labels: readonly string[] | null): number {
  const longest = Math.max(3, ...(labels ?? []).map(({ length }) => length));
  return Math.ceil((longest * CHARACTER + 12) / 10) * 10;
}

function pad(low: number, high: number): [number, number] {
  const air = (high - low || Math.abs(high) * 0.1 || 1) * 0.1;
  return [low - air, high + air];
}
