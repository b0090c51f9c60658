/** Silences: what people do not want to hear of for a while. */

import { h, fill, setText } from "../dom/element";
import { KeyedList, type Row } from "../dom/keyed";
import { formatDateTime } from "../format/time";
import { readTold, seconds } from "./model";
import { emptyCard, matcherList, Outcome, spellAgo, sureButton, type AlertsView } from "./parts";
import { expireSilence, readSilences, silenceMatchers, type Silence, type SilenceState } from "./silence";

const STATES: readonly SilenceState[] = ["active", "pending", "expired"];

/** More than anybody reads; ended ones are kept for days. */
const MOST_SHOWN = 200;

interface ShownSilence extends Silence {
  /** How many alerts it holds back now. */
  readonly alerts: number;
}

export class SilencesView implements AlertsView {
  readonly title = "Silences";
  readonly #state =
    STATES.find((one) => one === new URLSearchParams(location.search).get("state")) ?? "active";
  readonly #tabs = STATES.map((state) =>
    h(
      "a",
      {
        href: state === "active" ? "/alerts/silences" : `/alerts/silences?state=${state}`,
        "aria-current": state === this.#state ? "true" : null,
      },
      state,
    ),
  );
  readonly #outcome = new Outcome();
  readonly #rows = h("div", { class: "alert-list" });
  readonly #list = new KeyedList<ShownSilence>(
    this.#rows,
    ({ id, status }) => `${id} ${status.state}`,
    (silence) => new SilenceRow(silence, () => this.#expire(silence)),
  );
  readonly #note = h("p", { class: "muted", hidden: true });
  readonly #empty = h("div");
  readonly elements = [
    h(
      "div",
      { class: "alert-tools" },
      h("h1", {}, "Silences"),
      h("nav", { class: "subtabs", "aria-label": "State of silences" }, ...this.#tabs),
      h("a", { class: "button button-primary", href: "/alerts/silences/new" }, "New silence"),
    ),
    this.#outcome.element,
    this.#rows,
    this.#note,
    this.#empty,
  ];

  async refresh(signal: AbortSignal): Promise<void> {
    const [silences, told] = await Promise.all([readSilences(signal), readTold(signal)]);
    STATES.forEach((state, index) => {
      const size = silences.filter(({ status }) => status.state === state).length;
      setText(this.#tabs[index]!, `${state} ${size}`);
    });
    const found = silences.filter(({ status }) => status.state === this.#state);
    const shown = found.slice(0, MOST_SHOWN);
    this.#note.hidden = shown.length === found.length;
    setText(this.#note, `${MOST_SHOWN} of ${found.length} shown`);
    this.#list.draw(
      shown.map((silence) => ({
        ...silence,
        alerts: told.filter(({ status }) => status.silencedBy.includes(silence.id)).length,
      })),
    );
    fill(
      this.#empty,
      shown.length === 0 &&
        emptyCard(
          `No ${this.#state} silences`,
          "A silence holds back the notifications of the alerts that match it. Make one here, or from an alert.",
        ),
    );
  }

  async #expire({ id }: Silence): Promise<void> {
    await this.#outcome.of(async () => {
      await expireSilence(id);
      await this.refresh(AbortSignal.timeout(10_000));
      return "The silence has ended; people are told again of what it held back.";
    });
  }
}

class SilenceRow implements Row<ShownSilence> {
  readonly #ends = h("span", { class: "number" });
  readonly #alerts = h("span");
  readonly #comment = h("p", { class: "alert-summary" });
  readonly element: HTMLElement;
  readonly #matchers: HTMLElement = h("div");
  #shape = "";

  constructor(silence: ShownSilence, expire: () => Promise<void>) {
    const ended = silence.status.state === "expired";
    const address = `/alerts/silences/${encodeURIComponent(silence.id)}`;
    this.element = h(
      "article",
      { class: "card silence", "data-state": silence.status.state, "aria-label": `Silence ${silence.id}` },
      this.#matchers,
      this.#comment,
      h(
        "div",
        { class: "alert-foot" },
        h("span", { class: "muted" }, `by ${silence.createdBy} · `, this.#ends, this.#alerts),
        h(
          "span",
          { class: "alert-links" },
          h("a", { class: "button button-small", href: address }, ended ? "Silence again" : "Edit"),
          !ended && sureButton("Expire", "Expire now?", expire),
        ),
      ),
    );
  }

  update({ comment, startsAt, endsAt, status, alerts, matchers, ...rest }: ShownSilence): void {
    setText(this.#comment, comment);
    const [starts, ends] = [seconds(startsAt), seconds(endsAt)];
    const text = {
      active: `ends ${spellAgo(ends)}`,
      pending: `starts ${spellAgo(starts)}`,
      expired: `ended ${spellAgo(ends)}`,
    }[status.state];
    setText(this.#ends, text);
    this.#ends.title = `${formatDateTime(starts)} to ${formatDateTime(ends)}`;
    const held = `holds back ${alerts === 0 ? "nothing" : alerts === 1 ? "1 alert" : `${alerts} alerts`} now`;
    setText(this.#alerts, status.state === "active" ? ` · ${held}` : "");
    const shape = JSON.stringify(matchers);
    if (shape === this.#shape) return;
    this.#shape = shape;
    fill(
      this.#matchers,
      matcherList(silenceMatchers({ comment, startsAt, endsAt, status, matchers, ...rest })),
    );
  }
}
