/** Receivers: whether people are reached, and what could not be delivered. */

import { spellLabels } from "../api/answers";
import { fill, h, setText } from "../dom/element";
import { KeyedList, type Row } from "../dom/keyed";
import { formatDateTime } from "../format/time";
import { seconds } from "./model";
import { badge, emptyCard, Outcome, showAgo, spellAgo, sureButton, type AlertsView } from "./parts";
import {
  deleteDeadLetter,
  readDeadLetters,
  readReceivers,
  retryDeadLetter,
  type DeadLetter,
  type Integration,
  type Receiver,
} from "./receiver";

export class ReceiversView implements AlertsView {
  readonly title = "Receivers";
  readonly #outcome = new Outcome();
  readonly #receivers = h("div", { class: "receiver-grid" });
  readonly #list = new KeyedList<Receiver>(
    this.#receivers,
    ({ name }) => name,
    ({ name }) => new ReceiverCard(name),
  );
  readonly #empty = h("div");
  readonly #letters = h("div", { class: "alert-list" });
  readonly #letterList = new KeyedList<DeadLetter>(
    this.#letters,
    ({ id }) => id,
    (letter) =>
      new LetterRow(
        letter,
        () => this.#retry(letter),
        () => this.#delete(letter),
      ),
  );
  readonly #hint = h("p", { class: "muted" });
  readonly elements = [
    h("h1", {}, "Receivers"),
    this.#receivers,
    this.#empty,
    h(
      "section",
      { "aria-label": "Dead letters" },
      h("h2", { class: "section-title" }, "Could not be delivered"),
      this.#hint,
      this.#outcome.element,
      this.#letters,
    ),
  ];

  async refresh(signal: AbortSignal): Promise<void> {
    const [receivers, letters] = await Promise.all([readReceivers(signal), readDeadLetters(signal)]);
    this.#list.draw(receivers);
    this.#letterList.draw(letters);
    setText(
      this.#hint,
      letters.length > 0
        ? "Nobody was told of these. Mend what the reason names, then try again; or delete them."
        : "Nothing: every notification was delivered, or still waits.",
    );
    if (receivers.length > 0) fill(this.#empty);
    else
      fill(
        this.#empty,
        emptyCard(
          "Nobody is told",
          "Alerts are kept and shown, but there is no receiver. Write route and receivers into the " +
            "configuration as for Alertmanager, and reload.",
        ),
      );
  }

  async #retry({ id }: DeadLetter): Promise<void> {
    await this.#outcome.of(async () => {
      const delivered = await retryDeadLetter(id);
      await this.refresh(AbortSignal.timeout(10_000));
      if (!delivered) throw new Error("It was refused again; the reason stands below.");
      return "Delivered.";
    });
  }

  async #delete({ id }: DeadLetter): Promise<void> {
    await this.#outcome.of(async () => {
      await deleteDeadLetter(id);
      await this.refresh(AbortSignal.timeout(10_000));
      return "Deleted.";
    });
  }
}

class ReceiverCard implements Row<Receiver> {
  readonly #rows = h("ul", { class: "integrations" });
  readonly #list = new KeyedList<Integration>(
    this.#rows,
    ({ integration, index }) => `${integration}[${index}]`,
    () => new IntegrationRow(),
  );
  readonly element: HTMLElement;

  constructor(name: string) {
    this.element = h("section", { class: "card", "aria-label": name }, h("h2", {}, name), this.#rows);
  }

  update({ integrations }: Receiver): void {
    this.#list.draw(integrations);
    if (integrations.length === 0) fill(this.#rows, h("li", { class: "muted" }, "Tells nobody."));
  }
}

class IntegrationRow implements Row<Integration> {
  readonly #name = h("strong");
  readonly #state = h("span");
  readonly #counts = h("span", { class: "muted number" });
  readonly #success = h("span", { class: "muted" });
  readonly #error = h("p", { class: "rule-error" });
  readonly element = h(
    "li",
    {},
    h("div", { class: "integration-head" }, this.#name, this.#state, this.#counts),
    this.#success,
    this.#error,
  );

  update(one: Integration): void {
    setText(this.#name, `${one.integration}[${one.index}]`);
    const [state, tone] = howItDoes(one);
    if (this.#state.textContent !== state) fill(this.#state, badge(state, tone));
    const waiting = one.waiting > 0 ? ` · ${one.waiting} waiting` : "";
    setText(this.#counts, `${one.sent} sent · ${one.failed} failed${waiting}`);
    const success = one.last_success_at;
    setText(
      this.#success,
      success ? `last success ${spellAgo(seconds(success))}` : "nothing delivered since the start",
    );
    this.#success.title = success ? formatDateTime(seconds(success)) : "";
    this.#error.hidden = !one.last_error || one.consecutive_failures === 0;
    setText(this.#error, one.last_error);
  }
}

function howItDoes({
  consecutive_failures: failures,
  last_try_at,
}: Integration): [text: string, tone: string] {
  if (failures > 0) return [`failing, ${failures} in a row`, "bad"];
  return last_try_at ? ["delivers", "good"] : ["not used yet", "none"];
}

/** Alertmanager's words for why, in plain ones. */
const REASONS: Record<string, string> = {
  clientError: "Refused",
  serverError: "The other side failed",
  contextDeadlineExceeded: "Not taken in time",
  queueFull: "Too many waited already",
  other: "Failed",
};

class LetterRow implements Row<DeadLetter> {
  readonly #when = h("span", { class: "number" });
  readonly #detail = h("p", { class: "rule-error" });
  readonly #count = h("span");
  readonly element: HTMLElement;

  constructor(letter: DeadLetter, retry: () => Promise<void>, remove: () => Promise<void>) {
    const again = h(
      "button",
      { type: "button", class: "button button-small", onclick: () => void retry() },
      "Try again",
    );
    this.element = h(
      "article",
      { class: "card alert", "data-tone": "bad", "aria-label": `Dead letter ${letter.id}` },
      h(
        "div",
        { class: "alert-head" },
        h("h2", {}, `${letter.receiver}/${letter.integration}[${letter.index}]`),
        badge(letter.status, letter.status === "firing" ? "bad" : "good"),
        h("code", { class: "muted" }, spellLabels(letter.group_labels)),
      ),
      this.#detail,
      h(
        "div",
        { class: "alert-foot" },
        h("span", { class: "muted" }, this.#count, " · last ", this.#when),
        h("span", { class: "alert-links" }, again, sureButton("Delete", "Delete for good?", remove)),
      ),
    );
  }

  update({ reason, detail, count, alerts, last_at }: DeadLetter): void {
    setText(this.#detail, `${REASONS[reason] ?? reason}: ${detail}`);
    setText(this.#count, `${alerts} ${alerts === 1 ? "alert" : "alerts"} · ${count}×`);
    showAgo(this.#when, seconds(last_at));
  }
}
