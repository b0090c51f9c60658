/** The form of a silence, with what it would hold back at this moment. */

import { spellLabels, type Labels } from "../api/answers";
import { serverNow } from "../api/client";
import { fill, h, setText } from "../dom/element";
import { fromLocalInput, parseDuration, spellDuration, toLocalInput } from "../format/time";
import { explain } from "../shell/problem";
import { parseMatchers, spellMatcher } from "./matchers";
import { readTold, seconds } from "./model";
import { Outcome, type AlertsView } from "./parts";
import { readMatched, readSilence, saveSilence, silenceMatchers } from "./silence";

const CREATOR = "veriscope.creator";
const LENGTH = "2h";
const MOST_SHOWN = 20;
/** Who types is not asked about at each letter. */
const PAUSE_MS = 250;

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
    oninput: () => this.#typed(),
  });
  readonly #starts = h("input", {
    id: "silence-starts",
    type: "datetime-local",
    step: 1,
    oninput: () => this.#setEnd(),
  });
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
  readonly #preview = new Preview();
  readonly #outcome = new Outcome();
  readonly elements: readonly HTMLElement[];
  #timer: number | undefined;
  #loaded = false;
  #startsAt: number | undefined;

  constructor(name: string) {
    this.#id = name === "new" ? undefined : name;
    this.title = this.#id === undefined ? "New silence" : "Edit silence";
    this.#creator.value = localStorage.getItem(CREATOR) ?? "";
    this.#matchers.value = new URLSearchParams(location.search).getAll("filter").join("\n");
    this.#setEnd();
    this.elements = [h("h1", {}, this.title), this.#build()];
  }

  #build(): HTMLElement {
    return h(
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
      this.#preview.element,
    );
  }

  destroy(): void {
    clearTimeout(this.#timer);
    this.#preview.stop();
  }

  async refresh(signal: AbortSignal): Promise<void> {
    if (this.#id !== undefined && !this.#loaded) await this.#load(this.#id, signal);
    const told = await readTold(signal);
    await this.#preview.ask(this.#check(), told.length);
  }

  /** Show the silence as it is; one that has ended is the draft of a new one. */
  async #load(id: string, signal: AbortSignal): Promise<void> {
    const silence = await readSilence(id, signal);
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
    this.#ends.setCustomValidity("");
  }

  #setLength(): void {
    const ends = fromLocalInput(this.#ends.value);
    this.#length.setCustomValidity("");
    const length = ends === null ? 0 : Math.round(ends - this.#start());
    this.#ends.setCustomValidity(ends !== null && length <= 0 ? "The end must come after the start." : "");
    if (ends !== null) this.#length.value = spellDuration(Math.max(0, length));
  }

  #typed(): void {
    const matchers = this.#check();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#preview.ask(matchers), PAUSE_MS);
  }

  /** The matchers as written, with a mark at the field where a line is none. */
  #check(): ReturnType<typeof parseMatchers> {
    const matchers = parseMatchers(this.#matchers.value);
    this.#matchers.setCustomValidity(
      typeof matchers === "string"
        ? `This is no matcher: ${matchers}`
        : matchers.length === 0
          ? 'Write at least one matcher, such as alertname="HostDown".'
          : "",
    );
    return matchers;
  }

  #submit(event: Event): void {
    event.preventDefault();
    const matchers = this.#check();
    const endsAt = fromLocalInput(this.#ends.value);
    if (typeof matchers === "string" || endsAt === null) return;
    const createdBy = this.#creator.value.trim();
    localStorage.setItem(CREATOR, createdBy);
    const edited = this.#startsAt === undefined ? undefined : this.#id;
    const draft = {
      ...(edited === undefined ? {} : { id: edited }),
      matchers,
      startsAt: this.#start(),
      endsAt,
      createdBy,
      comment: this.#comment.value.trim(),
    };
    const save = async (): Promise<string> => {
      await saveSilence(draft);
      return "Saved.";
    };
    void this.#outcome.of(save).then((saved) => {
      if (!saved) return;
      history.pushState(null, "", "/alerts/silences");
      dispatchEvent(new PopStateEvent("popstate"));
    });
  }
}

function field(label: string, input: HTMLElement, hint = ""): HTMLElement {
  return h(
    "div",
    { class: "field" },
    h("label", { for: input.id }, label),
    input,
    hint && h("small", { class: "muted" }, hint),
  );
}

/** What matchers select among the alerts of the moment, by the server's own judgement. */
class Preview {
  readonly #count = h("h2", { "aria-live": "polite" }, "Looking…");
  readonly #note = h("p", { class: "muted" });
  readonly #matched = h("ul", { class: "preview-list" });
  readonly element = h(
    "section",
    { class: "card", "aria-label": "Preview" },
    this.#count,
    this.#note,
    this.#matched,
  );
  #asking = new AbortController();
  #all = 0;

  /** Show what `matchers`, or the text that is none, come to; a newer question ends an older one. */
  async ask(matchers: ReturnType<typeof parseMatchers>, all = this.#all): Promise<void> {
    this.#all = all;
    this.#asking.abort();
    const { signal } = (this.#asking = new AbortController());
    if (typeof matchers === "string") return this.#show(`Not a matcher: ${matchers}`);
    if (matchers.length === 0) return this.#show("Nothing is matched yet");
    try {
      const matched = await readMatched(matchers, signal);
      if (!signal.aborted) this.#showMatched(matched);
    } catch (error) {
      if (!signal.aborted) this.#show(explain(error));
    }
  }

  stop(): void {
    this.#asking.abort();
  }

  #showMatched(matched: readonly Labels[]): void {
    const all = Math.max(this.#all, matched.length);
    const note =
      matched.length === 0
        ? "It holds back what begins to fire later."
        : matched.length === all && all > 1
          ? "That is everything. Is it meant to be?"
          : "";
    this.#show(`Matches ${matched.length} of ${all} ${all === 1 ? "alert" : "alerts"} now`, note, matched);
  }

  #show(text: string, note = "", matched: readonly Labels[] = []): void {
    setText(this.#count, text);
    setText(this.#note, note);
    const lines = matched
      .slice(0, MOST_SHOWN)
      .map(({ alertname = "", ...rest }) => [alertname, spellLabels(rest)]);
    const shape = JSON.stringify([lines, matched.length]);
    if (this.#matched.dataset["shape"] === shape) return;
    this.#matched.dataset["shape"] = shape;
    fill(
      this.#matched,
      ...lines.map(([name, labels]) =>
        h("li", {}, h("strong", {}, name!), h("code", { class: "muted" }, labels!)),
      ),
      matched.length > MOST_SHOWN && h("li", { class: "muted" }, `and ${matched.length - MOST_SHOWN} more`),
    );
  }
}
