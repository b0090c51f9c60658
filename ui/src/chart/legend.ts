/** The names and values of a chart's lines; a click hides one, with Shift or Ctrl it stays alone. */

import { fill, h, setText } from "../dom/element";
import { lastValue } from "../api/lines";
import { formatValue, type Unit } from "../format/units";
import type { Curve } from "./plot";

export class Legend {
  readonly element = h("ul", { class: "legend" });
  readonly hidden = new Set<string>();
  readonly #unit: Unit;
  readonly #onChange: () => void;
  #shape = "";
  #values: HTMLElement[] = [];
  #buttons: HTMLButtonElement[] = [];
  #curves: readonly Curve[] = [];

  constructor(unit: Unit, onChange: () => void) {
    this.#unit = unit;
    this.#onChange = onChange;
  }

  /** The lines that are not hidden. */
  visible(curves: readonly Curve[]): Curve[] {
    return curves.filter(({ key }) => !this.hidden.has(key));
  }

  /** List `curves` with their newest values. */
  draw(curves: readonly Curve[]): void {
    this.#curves = curves;
    const shape = JSON.stringify(curves.map(({ key, name, color }) => [key, name, color]));
    if (shape !== this.#shape) {
      this.#shape = shape;
      this.#build();
    }
    curves.forEach((curve, index) => {
      setText(this.#values[index]!, formatValue(lastValue(curve), this.#unit));
      this.#buttons[index]!.setAttribute("aria-pressed", String(!this.hidden.has(curve.key)));
    });
  }

  #build(): void {
    this.#values = this.#curves.map(() => h("span", { class: "number legend-value" }));
    this.#buttons = this.#curves.map((curve, index) =>
      h(
        "button",
        {
          type: "button",
          class: "legend-item",
          title: curve.name,
          onclick: (event) => this.#toggle(curve.key, event as MouseEvent),
        },
        h("span", { class: "swatch", style: `--swatch:var(--${curve.color})` }),
        h("span", { class: "legend-name" }, curve.name),
        this.#values[index],
      ),
    );
    fill(this.element, ...this.#buttons.map((button) => h("li", {}, button)));
  }

  #toggle(key: string, event: MouseEvent): void {
    if (event.shiftKey || event.ctrlKey || event.metaKey) this.#isolate(key);
    else if (!this.hidden.delete(key)) this.hidden.add(key);
    this.#onChange();
  }

  #isolate(key: string): void {
    const others = this.#curves.map((curve) => curve.key).filter((other) => other !== key);
    const alone = !this.hidden.has(key) && others.every((other) => this.hidden.has(other));
    this.hidden.clear();
    if (!alone) others.forEach((other) => this.hidden.add(other));
  }
}
