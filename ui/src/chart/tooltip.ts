/** The values under the cursor of a chart. */

import { h, fill } from "../dom/element";
import { formatDateTime } from "../format/time";
import { formatValue, type Unit } from "../format/units";
import type { Curve } from "./plot";

/** More rows than this cover the chart. */
const MOST_ROWS = 12;
const OFFSET = 14;

export class Tooltip {
  readonly element = h("div", { class: "tooltip", hidden: true });
  readonly #unit: Unit;

  constructor(unit: Unit) {
    this.#unit = unit;
  }

  hide(): void {
    this.element.hidden = true;
  }

  /** List the values of `curves` at step `index`, the largest first, beside the point `left`, `top`. */
  show(time: number, curves: readonly Curve[], index: number, left: number, top: number): void {
    const rows = curves
      .map((curve) => ({ curve, value: curve.values[index] ?? null }))
      .filter((row): row is { curve: Curve; value: number } => row.value !== null)
      .sort((a, b) => b.value - a.value);
    const more = rows.length - MOST_ROWS;
    fill(
      this.element,
      h("div", { class: "tooltip-time" }, formatDateTime(time)),
      ...rows.slice(0, MOST_ROWS).map(({ curve, value }) => this.#row(curve, value)),
      rows.length === 0 && h("div", { class: "muted" }, "no value"),
      more > 0 && h("div", { class: "muted" }, `and ${more} more`),
    );
    this.#place(left, top);
  }

  #row(curve: Curve, value: number): HTMLElement {
    return h(
      "div",
      { class: "tooltip-row" },
      h("span", { class: "swatch", style: `--swatch:var(--${curve.color})` }),
      h("span", { class: "tooltip-name" }, curve.name),
      h("span", { class: "number" }, formatValue(value, this.#unit)),
    );
  }

  #place(left: number, top: number): void {
    const { element } = this;
    element.hidden = false;
    const room = element.parentElement!.clientWidth;
    const width = element.offsetWidth;
    const right = left + OFFSET + width <= room;
    const x = right ? left + OFFSET : Math.max(0, left - OFFSET - width);
    element.style.transform = `translate(${Math.round(x)}px, ${Math.round(Math.max(0, top - 20))}px)`;
  }
}
