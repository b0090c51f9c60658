/** What a part of the overview is, and the parts that are charts and numbers. */

import { LiveRange } from "../api/live";
import { lastValue, type Line } from "../api/lines";
import { Legend } from "../chart/legend";
import { seriesToken } from "../chart/palette";
import { Plot, type Curve } from "../chart/plot";
import { Sparkline } from "../chart/sparkline";
import { h, setText } from "../dom/element";
import { spellExplore, type ExploreState } from "../explore/state";
import { formatValue, NOTHING } from "../format/units";
import { currentGrid, WINDOWS, type Moment } from "./live";
import type { CardWidth, ChartPanel, Target, Tile } from "./panels";

/** A part of the overview. */
export interface View {
  readonly element: HTMLElement;
  /** Whether there is anything to show on this machine. */
  relevant(moment: Moment): boolean;
  update(moment: Moment): Promise<void>;
  destroy(): void;
}

const CHART_HEIGHT = 170;

/** A card with a title, and a link to Explore where `link` says what it would show. */
export function card(
  title: string,
  width: CardWidth,
  body: readonly HTMLElement[],
  link?: () => Partial<ExploreState>,
): HTMLElement {
  const open =
    link && h("a", { class: "card-link", href: "/explore", "aria-label": `Explore: ${title}` }, "Explore");
  // The link is spelled when it is needed: what it holds changes with the host and the window.
  const spell = (): void => open?.setAttribute("href", `/explore?${spellExplore(link!())}`);
  open?.addEventListener("pointerenter", spell);
  open?.addEventListener("focus", spell);
  open?.addEventListener("click", spell);
  return h(
    "section",
    { class: `card span-${width}`, "aria-label": title },
    h("header", { class: "card-head" }, h("h3", {}, title), open),
    ...body,
  );
}

export class ChartView implements View {
  readonly element: HTMLElement;
  readonly #panel: ChartPanel;
  readonly #ranges: LiveRange[];
  readonly #plot: Plot;
  readonly #legend: Legend;
  #moment: Moment | undefined;
  #curves: Curve[] = [];

  constructor(panel: ChartPanel) {
    this.#panel = panel;
    this.#ranges = panel.targets.map(() => new LiveRange());
    const { title, unit, stacked, min, max } = panel;
    this.#plot = new Plot({
      label: title,
      unit,
      height: CHART_HEIGHT,
      group: "overview",
      ...(stacked ? { stacked } : {}),
      ...(min === undefined ? {} : { min }),
      ...(max === undefined ? {} : { max }),
    });
    this.#legend = new Legend(unit, () => this.#draw());
    this.element = card(title, panel.width, [this.#plot.element, this.#legend.element], () => this.#link());
  }

  relevant({ facts }: Moment): boolean {
    return this.#panel.needs === "swap"
      ? (facts.value("node_memory_SwapTotal_bytes") ?? 0) > 0
      : facts.has(this.#panel.needs);
  }

  async update(moment: Moment): Promise<void> {
    this.#moment = moment;
    const { targets } = this.#panel;
    const found = await Promise.all(
      targets.map(({ expr }, index) =>
        this.#ranges[index]!.update(moment.expand(expr), moment.grid, moment.signal),
      ),
    );
    const curves = found.flatMap((lines, index) => toCurves(lines, targets[index]!));
    this.#curves = curves.map((curve, order) =>
      curve.color ? { ...curve, order: 0 } : { ...curve, color: seriesToken(order), order },
    );
    this.#draw();
  }

  destroy(): void {
    this.#plot.destroy();
  }

  /** The same queries over the same time on the explore page. */
  #link(): Partial<ExploreState> {
    const { targets } = this.#panel;
    if (!this.#moment) return {};
    const { expand, grid } = this.#moment;
    return {
      queries: targets.map(({ expr }) => expand(expr)),
      range: { kind: "relative", span: grid.end - grid.start },
    };
  }

  #draw(): void {
    if (!this.#moment) return;
    this.#legend.draw(this.#curves);
    this.#plot.draw(this.#moment.grid, this.#legend.visible(this.#curves));
  }
}

function toCurves(lines: readonly Line[], target: Target): Omit<Curve, "order">[] {
  const { split } = target;
  const named = lines.map((line) => {
    const part = split?.into[line.labels[split.label] ?? ""];
    const name =
      part?.name ?? target.name.replace(/\{\{(\w+)\}\}/g, (_, label: string) => line.labels[label] ?? "");
    return { ...line, key: `${target.name} ${line.key}`, name, color: part?.color ?? target.color ?? "" };
  });
  const order = split ? Object.values(split.into).map(({ name }) => name) : [];
  return split ? named.sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name)) : named;
}

/** A large number with its last minutes, whatever the window of the charts. */
export class TileView implements View {
  readonly element: HTMLElement;
  readonly #tile: Tile;
  readonly #range = new LiveRange();
  readonly #value = h("div", { class: "tile-value number" }, NOTHING);
  readonly #note = h("div", { class: "tile-note" });
  readonly #spark = new Sparkline();

  constructor(tile: Tile) {
    this.#tile = tile;
    this.element = h(
      "section",
      { class: "card tile", "aria-label": tile.title, style: `--tile:var(--${tile.color})` },
      h("h3", {}, tile.title),
      this.#value,
      this.#note,
    );
    this.element.append(this.#spark.element);
  }

  relevant({ facts }: Moment): boolean {
    return !this.#tile.optional || facts.has(this.#tile.needs);
  }

  async update(moment: Moment): Promise<void> {
    const { expr, unit, needs, note, max } = this.#tile;
    if (!moment.facts.has(needs)) {
      setText(this.#value, NOTHING);
      setText(this.#note, "not on this machine");
      return;
    }
    const grid = currentGrid(WINDOWS[0]!);
    const [line] = await this.#range.update(moment.expand(expr), grid, moment.signal);
    const value = lastValue(line);
    // Counters are read one after the other, so that idle time can seem to outrun the clock.
    setText(this.#value, formatValue(value === null ? value : Math.max(0, value), unit));
    setText(this.#note, note(moment.facts));
    this.#note.title = this.#note.textContent;
    this.#spark.draw(grid, line, max);
  }

  destroy(): void {
    this.element.remove();
  }
}
