/** The form of a silence, with what it would match at this moment. */

import { serverNow } from "../api/client";
import { spellLabels } from "../api/answers";
import { fill, h, setText } from "../dom/element";
import { fromLocalInput, parseDuration, spellDuration, toLocalInput } from "../format/time";
import { parseMatcher, satisfies, spellMatcher, type Matcher } from "./matchers";
import { readAlerts, readSilences, saveSilence, seconds, silenceMatchers, type Alert } from "./model";
import { Outcome, type AlertsView } from "./parts";

const CREATOR = "veriscope.creator";
const LENGTH = "2h";
const MOST_SHOWN = 20;

/** Makes a silence at `/alerts/silences/new`, and changes the one with an id elsewhere. */
export class SilenceForm implements AlertsView {
  readonly title: string;
  readonly #id: string | undefined;
  readonly #matchers = h("textarea", {
    id: "silence-matchers",
    rows: 5,
    spellcheck: "false",
    placeholder: 'alertname="HostDown"\ninstance=~"db-.*"',
    required: true,
    oninput: () => this.#preview(),
  });
  readonly #starts = h("input", { id: "silence-starts", type: "datetime-local", step: 1 });
  readonly #length = h("input", {
    id: "silence-length",
    size: 8,
    value: LENGTH,
    oninput: () => this.#setEnd(),
  });
  readonly #ends = h("input", {
    id: "silence-ends",
    type: "datetime-local",
    step: 1,
    required: true,
    oninput: () => this.#setLength(),
  });
  readonly #creator = h("input", { id: "silence-creator", required: true, autocomplete: "name" });
  readonly #comment = h("textarea", { id: "silence-comment", rows: 2, required: true });
  readonly #count = h("h2", { "aria-live": "polite" }, "Looking…");
  readonly #matched = h("ul", { class: "preview-list" });
  readonly #outcome = new Outcome();
  readonly elements: readonly HTMLElement[];
  #alerts: readonly Alert[] | undefined;
  #loaded = false;
  #startsAt: number | undefined;

  constructor(name: string) {
    this.#id = name === "new" ? undefined : name;
    this.title = this.#id === undefined ? "New silence" : "Edit silence";
    this.#creator.value = localStorage.getItem(CREATOR) ?? "";
    this.#matchers.value = new URLSearchParams(location.search).getAll("filter").join("\n");
    this.#setEnd();
    const field = (label: string, input: HTMLElement, hint = ""): HTMLElement =>
      h(
        "div",
        { class: "field" },
        h("label", { for: input.id }, label),
        input,
        hint && h("small", { class: "muted" }, hint),
      );
    this.elements = [
      h("h1", {}, this.title),
      h(
        "div",
        { class: "silence-form" },
        h(
          "form",
          { class: "card", onsubmit: (event) => this.#submit(event) },
          field(
            "Matchers, one a line",
            this.#matchers,
            'name="value", or with !=, =~ (regular expression), !~',
          ),
          h(
            "div",
            { class: "fields" },
            field("Starts", this.#starts, "empty: at once"),
            field("For", this.#length, "2h, 30m, 1d"),
            field("Until", this.#ends),
          ),
          field("Who are you?", this.#creator),
          field("Why?", this.#comment, "whoever is on call reads this"),
          this.#outcome.element,
          h(
            "div",
            { class: "form-buttons" },
            h("button", { class: "button button-primary" }, "Save silence"),
            h("a", { class: "button", href: "/alerts/silences" }, "Cancel"),
          ),
        ),
        h("section", { class: "card", "aria-label": "Preview" }, this.#count, this.#matched),
      ),
    ];
  }

  async refresh(signal: AbortSignal): Promise<void> {
    if (this.#id !== undefined && !this.#loaded) await this.#load(this.#id, signal);
    this.#alerts = (await readAlerts(signal)).alerts;
    this.#preview();
  }

  /** Show the silence as it is; one that has ended is the draft of a new one. */
  async #load(id: string, signal: AbortSignal): Promise<void> {
    const silence = (await readSilences(signal)).find((one) => one.id === id);
    if (!silence) throw new Error(`There is no silence ${JSON.stringify(id)}; it may have been forgotten.`);
    this.#loaded = true;
    this.#matchers.value = silenceMatchers(silence).map(spellMatcher).join("\n");
    this.#creator.value = silence.createdBy;
    this.#comment.value = silence.comment;
    if (silence.status.state === "expired") return;
    this.#startsAt = seconds(silence.startsAt);
    this.#starts.value = toLocalInput(this.#startsAt);
    this.#ends.value = toLocalInput(seconds(silence.endsAt));
    this.#setLength();
  }

  #start(): number {
    const typed = fromLocalInput(this.#starts.value);
    if (typed === null) return serverNow();
    // The field has whole seconds; an unchanged start must stay the start of an active silence.
    return this.#startsAt !== undefined && Math.floor(this.#startsAt) === typed ? this.#startsAt : typed;
  }

  #setEnd(): void {
    const length = parseDuration(this.#length.value);
    this.#length.setCustomValidity(length === null ? "Write a duration such as 2h or 30m." : "");
    if (length !== null) this.#ends.value = toLocalInput(this.#start() + length);
  }

  #setLength(): void {
    const ends = fromLocalInput(this.#ends.value);
    this.#length.setCustomValidity("");
    if (ends !== null) this.#length.value = spellDuration(Math.max(0, Math.round(ends - this.#start())));
  }

  /** The matchers as written, or the first line that is none. */
  #read(): Matcher[] | string {
    const lines = this.#matchers.value.split("\n").filter((line) => line.trim());
    const wrong = lines.find((line) => parseMatcher(line) === null);
    return wrong ?? lines.map((line) => parseMatcher(line)!);
  }

  #preview(): void {
    const matchers = this.#read();
    const wrong = typeof matchers === "string";
    this.#matchers.setCustomValidity(wrong ? `This is no matcher: ${matchers}` : "");
    const matched =
      wrong || matchers.length === 0
        ? []
        : (this.#alerts ?? []).filter(({ labels }) => satisfies(labels, matchers));
    setText(
      this.#count,
      wrong
        ? `Not a matcher: ${matchers}`
        : this.#alerts === undefined
          ? "Looking…"
          : `Matches ${matched.length} of ${this.#alerts.length} alerts now`,
    );
    fill(
      this.#matched,
      ...matched.slice(0, MOST_SHOWN).map(({ name, labels }) => {
        const { alertname: _, ...rest } = labels;
        return h("li", {}, h("strong", {}, name), h("code", { class: "muted" }, spellLabels(rest)));
      }),
      matched.length > MOST_SHOWN && h("li", { class: "muted" }, `and ${matched.length - MOST_SHOWN} more`),
    );
  }

  #submit(event: Event): void {
    event.preventDefault();
    const matchers = this.#read();
    const endsAt = fromLocalInput(this.#ends.value);
    if (typeof matchers === "string" || endsAt === null) return;
    const createdBy = this.#creator.value.trim();
    localStorage.setItem(CREATOR, createdBy);
    const edited = this.#startsAt === undefined ? undefined : this.#id;
    const draft = {
      matchers,
      startsAt: this.#start(),
      endsAt,
      createdBy,
      comment: this.#comment.value.trim(),
    };
    const save = async (): Promise<string> => {
      await saveSilence(edited === undefined ? draft : { id: edited, ...draft });
      return "Saved.";
    };
    void this.#outcome.of(save).then((saved) => {
      if (!saved) return;
      history.pushState(null, "", "/alerts/silences");
      dispatchEvent(new PopStateEvent("popstate"));
    });
  }
}
