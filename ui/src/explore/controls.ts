/** The time range, resolution and refresh of the explore page. */

import "../styles/controls.css";

import { fill, h, icon } from "../dom/element";
import { formatDateTime, fromLocalInput, parseDuration, spellDuration, toLocalInput } from "../format/time";
import { serverNow } from "../api/client";
import type { ExploreState, TimeRange } from "./state";

const SPANS = [300, 900, 3600, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 2_592_000];
const REFRESHES = [2, 5, 15, 60];
const OFF = "off";

/** Part of the state that the reader has changed. */
export type Change = Partial<Pick<ExploreState, "range" | "step" | "refresh">>;

/** The ends of `range` at `now`, in Unix seconds. */
export function bounds(range: TimeRange, now: number): { from: number; to: number } {
  return range.kind === "absolute" ? range : { from: now - range.span, to: now };
}

export class Controls {
  readonly element: HTMLElement;
  readonly #onChange: (change: Change) => void;
  readonly #spans = h("select", {
    "aria-label": "Time range",
    class: "span-select",
    onchange: () => this.#chooseSpan(),
  });
  readonly #from = h("input", {
    type: "datetime-local",
    step: 1,
    "aria-label": "From",
    onchange: () => this.#chooseEnds(),
  });
  readonly #to = h("input", {
    type: "datetime-local",
    step: 1,
    "aria-label": "To",
    onchange: () => this.#chooseEnds(),
  });
  readonly #ends = h(
    "span",
    { class: "range-ends" },
    this.#from,
    h("span", { class: "muted" }, "to"),
    this.#to,
  );
  readonly #step = h("input", {
    type: "text",
    size: 6,
    placeholder: "auto",
    "aria-label": "Resolution",
    title: "Step between points, such as 15s",
    onchange: () => this.#chooseStep(),
  });
  readonly #refresh = h("select", { "aria-label": "Refresh", onchange: () => this.#chooseRefresh() });
  #range: TimeRange = { kind: "relative", span: 3600 };

  constructor(onChange: (change: Change) => void) {
    this.#onChange = onChange;
    const move = (
      name: string,
      path: string,
      change: (from: number, to: number) => [number, number],
    ): HTMLElement =>
      h(
        "button",
        {
          type: "button",
          class: "button button-icon",
          "aria-label": name,
          title: name,
          onclick: () => this.#move(change),
        },
        icon(path),
      );
    this.element = h(
      "div",
      { class: "controls" },
      h(
        "div",
        { class: "control-group" },
        move("Earlier", "M15 5l-7 7 7 7", (from, to) => [from - (to - from) / 2, to - (to - from) / 2]),
        this.#spans,
        move("Later", "M9 5l7 7-7 7", (from, to) => [from + (to - from) / 2, to + (to - from) / 2]),
        move("Zoom out", "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM16 16l5 5M8 11h6", (from, to) => [
          from - (to - from) / 2,
          to + (to - from) / 2,
        ]),
      ),
      this.#ends,
      h("label", { class: "control-label" }, "Step", this.#step),
      h("label", { class: "control-label" }, "Refresh", this.#refresh),
    );
  }

  /** Show what `state` says. */
  show({ range, step, refresh }: ExploreState): void {
    this.#range = range;
    const spans =
      range.kind === "relative" && !SPANS.includes(range.span)
        ? [...SPANS, range.span].sort((a, b) => a - b)
        : SPANS;
    fill(
      this.#spans,
      ...spans.map((span) =>
        h(
          "option",
          { value: span, selected: range.kind === "relative" && range.span === span },
          `Last ${spellSpan(span)}`,
        ),
      ),
      h("option", { value: "absolute", selected: range.kind === "absolute" }, "Fixed range…"),
    );
    this.#ends.hidden = range.kind === "relative";
    if (range.kind === "absolute") {
      this.#from.value = toLocalInput(range.from);
      this.#to.value = toLocalInput(range.to);
      this.#ends.title = `${formatDateTime(range.from)} to ${formatDateTime(range.to)}`;
    }
    this.#refresh.disabled = range.kind === "absolute";
    this.#step.value = step === null ? "" : spellDuration(step);
    fill(
      this.#refresh,
      h("option", { value: OFF, selected: refresh === null }, "off"),
      ...[...new Set([...REFRESHES, ...(refresh === null ? [] : [refresh])])].map((seconds) =>
        h("option", { value: seconds, selected: refresh === seconds }, spellDuration(seconds)),
      ),
    );
  }

  #chooseSpan(): void {
    if (this.#spans.value !== "absolute")
      this.#onChange({ range: { kind: "relative", span: Number(this.#spans.value) } });
    else this.#move((from, to) => [Math.floor(from), Math.floor(to)]);
  }

  #chooseEnds(): void {
    const from = fromLocalInput(this.#from.value);
    const to = fromLocalInput(this.#to.value);
    const wrong = from === null || to === null || from >= to;
    this.#to.setCustomValidity(wrong ? "The end must be after the beginning." : "");
    if (wrong) this.#to.reportValidity();
    else this.#onChange({ range: { kind: "absolute", from, to } });
  }

  #move(change: (from: number, to: number) => [number, number]): void {
    const now = bounds(this.#range, serverNow());
    const [from, to] = change(now.from, now.to);
    this.#onChange({ range: { kind: "absolute", from, to } });
  }

  #chooseStep(): void {
    const text = this.#step.value.trim();
    const step = parseDuration(text);
    const wrong = text !== "" && step === null;
    this.#step.setCustomValidity(wrong ? "Write a duration such as 15s or 1m." : "");
    if (wrong) this.#step.reportValidity();
    else this.#onChange({ step });
  }

  #chooseRefresh(): void {
    this.#onChange({ refresh: this.#refresh.value === OFF ? null : Number(this.#refresh.value) });
  }
}

function spellSpan(span: number): string {
  const [size, name] =
    span % 86_400 === 0
      ? [86_400, "day"]
      : span % 3600 === 0
        ? [3600, "hour"]
        : span % 60 === 0
          ? [60, "minute"]
          : [1, "second"];
  const count = span / size;
  return count === 1 ? name : `${count} ${name}s`;
}
