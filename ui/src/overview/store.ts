/** How Veriscope itself is doing: the figures of its store, and what it scrapes. */

import { latest } from "../api/answers";
import { fill, h, setText } from "../dom/element";
import { formatValue, NOTHING } from "../format/units";
import { askNow, type Moment } from "./live";
import { STORE_FIGURES } from "./panels";
import { card, type View } from "./views";

/** Only every n-th update asks for figures that change slowly. */
const EVERY = 3;

export class StoreView implements View {
  readonly #values = STORE_FIGURES.map(() => h("dd", { class: "number" }, NOTHING));
  readonly element = card("Store", 4, [
    h(
      "dl",
      { class: "figures" },
      ...STORE_FIGURES.map(({ name }, index) => h("div", {}, h("dt", {}, name), this.#values[index])),
    ),
  ]);
  #turn = 0;

  relevant({ facts }: Moment): boolean {
    return facts.has("veriscope_ingest_samples_total");
  }

  async update(moment: Moment): Promise<void> {
    if (this.#turn++ % EVERY) return;
    await Promise.all(
      STORE_FIGURES.map(async ({ expr, unit }, index) => {
        const { series } = await askNow(moment, expr);
        setText(this.#values[index]!, formatValue(latest(series[0]), unit));
      }),
    );
  }

  destroy(): void {
    this.element.remove();
  }
}

/** Targets that cannot be reached come first; past this many, the rest is counted. */
const MOST_TARGETS = 8;

export class TargetsView implements View {
  readonly #summary = h("p", { class: "card-summary" });
  readonly #list = h("ul", { class: "targets" });
  readonly element = card("Scrape targets", 12, [this.#summary, this.#list]);

  relevant({ facts }: Moment): boolean {
    return facts.has("up");
  }

  update({ facts }: Moment): Promise<void> {
    const targets = facts
      .all("up")
      .map((one) => ({
        job: one.labels["job"] ?? "",
        instance: one.labels["instance"] ?? "",
        up: latest(one) === 1,
      }))
      .sort(
        (a, b) =>
          Number(a.up) - Number(b.up) || a.job.localeCompare(b.job) || a.instance.localeCompare(b.instance),
      );
    setText(this.#summary, `${targets.filter(({ up }) => up).length} of ${targets.length} up`);
    fill(
      this.#list,
      ...targets
        .slice(0, MOST_TARGETS)
        .map(({ job, instance, up }) =>
          h(
            "li",
            {},
            h("span", { class: up ? "state state-good" : "state state-bad" }, up ? "up" : "down"),
            h("span", { class: "target-job" }, job),
            h("span", { class: "muted target-instance" }, instance),
          ),
        ),
      targets.length > MOST_TARGETS &&
        h("li", { class: "muted" }, `and ${targets.length - MOST_TARGETS} more`),
    );
    return Promise.resolve();
  }

  destroy(): void {
    this.element.remove();
  }
}
