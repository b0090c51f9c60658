/** The rules: whether they are evaluated, how long that takes, and what goes wrong. */

import { latest } from "../api/answers";
import { queryInstant } from "../api/client";
import { fill, h, setText } from "../dom/element";
import { KeyedList, type Row } from "../dom/keyed";
import { formatSeconds } from "../format/units";
import { spellDuration } from "../format/time";
import { spellExplore } from "../explore/state";
import { conditionOf, isAlerting, isNever, readGroups, seconds, type Rule, type RuleGroup } from "./model";
import { badge, emptyCard, showAgo, type AlertsView } from "./parts";

/** By group: evaluations that were left out over the last hour. */
const MISSED = "sum by (rule_group) (increase(veriscope_rule_group_iterations_missed_total[1h])) > 0";

interface ShownGroup extends RuleGroup {
  readonly missed: number;
}

export class RulesView implements AlertsView {
  readonly title = "Rules";
  readonly #groups = h("div", { class: "alert-list" });
  readonly #list = new KeyedList<ShownGroup>(
    this.#groups,
    ({ file, name }) => `${file};${name}`,
    (group) => new GroupCard(group),
  );
  readonly #empty = h("div");
  readonly elements = [h("h1", { class: "visually-hidden" }, "Rules"), this.#groups, this.#empty];

  async refresh(signal: AbortSignal): Promise<void> {
    const [groups, missed] = await Promise.all([readGroups(signal), queryInstant(MISSED, { signal })]);
    const byGroup = new Map(missed.series.map((one) => [one.labels["rule_group"], latest(one)]));
    this.#list.draw(
      groups.map((group) => ({ ...group, missed: byGroup.get(`${group.file};${group.name}`) ?? 0 })),
    );
    if (groups.length > 0) fill(this.#empty);
    else
      fill(
        this.#empty,
        emptyCard("No rules yet", "Name files of rules under rule_files in the configuration, and reload."),
      );
  }
}

class GroupCard implements Row<ShownGroup> {
  readonly #took = h("span", { class: "number" });
  readonly #last = h("span", { class: "number" });
  readonly #missed = h("span");
  readonly #body = h("tbody");
  readonly #rows = new KeyedList<Rule & { place: number }>(
    this.#body,
    ({ place, name, query }) => `${place} ${name} ${query}`,
    (rule) => new RuleRow(rule),
  );
  readonly element: HTMLElement;

  constructor({ name, file, interval }: ShownGroup) {
    this.element = h(
      "section",
      { class: "card", "aria-label": `Rule group ${name}` },
      h(
        "div",
        { class: "group-head" },
        h("h2", {}, name),
        h(
          "span",
          { class: "muted" },
          `every ${spellDuration(interval)} · last `,
          this.#last,
          " · took ",
          this.#took,
          file && ` · ${file}`,
        ),
        this.#missed,
      ),
      h(
        "div",
        { class: "table-scroll" },
        h(
          "table",
          { class: "table rules" },
          h(
            "thead",
            {},
            h("tr", {}, ...["Rule", "State", "Health", "Took"].map((one) => h("th", { scope: "col" }, one))),
          ),
          this.#body,
        ),
      ),
    );
  }

  update({ evaluationTime, lastEvaluation, missed, rules }: ShownGroup): void {
    setText(this.#took, formatSeconds(evaluationTime));
    if (isNever(lastEvaluation)) setText(this.#last, "never");
    else showAgo(this.#last, seconds(lastEvaluation));
    const text = missed > 0 ? `${Math.ceil(missed)} missed in the last hour` : "";
    if (this.#missed.textContent !== text) fill(this.#missed, text && badge(text, "warn"));
    this.#rows.draw(rules.map((rule, place) => ({ ...rule, place })));
  }
}

class RuleRow implements Row<Rule> {
  readonly #state = h("td");
  readonly #health = h("td");
  readonly #took = h("td", { class: "number" });
  readonly #error = h("p", { class: "rule-error", hidden: true });
  readonly element: HTMLElement;

  constructor(rule: Rule) {
    const { name, query } = rule;
    const alerting = isAlerting(rule);
    this.element = h(
      "tr",
      {},
      h(
        "td",
        {},
        alerting ? h("a", { href: `/alerts/alert/${encodeURIComponent(name)}` }, name) : h("span", {}, name),
        conditionOf(rule)
          ? h("code", { class: "rule-query" }, query)
          : h("a", { class: "rule-query", href: `/explore?${spellExplore({ queries: [query] })}` }, query),
        alerting &&
          rule.duration > 0 &&
          h("small", { class: "muted" }, `for ${spellDuration(rule.duration)}`),
        this.#error,
      ),
      this.#state,
      this.#health,
      this.#took,
    );
  }

  update(rule: Rule): void {
    const state = isAlerting(rule) ? rule.state : "recording";
    const tone = state === "firing" ? "bad" : state === "pending" ? "warn" : "none";
    if (this.#state.textContent !== state) fill(this.#state, badge(state, tone));
    const health = { ok: "ok", err: "failing", unknown: "not evaluated yet" }[rule.health];
    const healthTone = { ok: "good", err: "bad", unknown: "none" }[rule.health];
    if (this.#health.textContent !== health) fill(this.#health, badge(health, healthTone));
    setText(this.#took, formatSeconds(rule.evaluationTime));
    setText(this.#error, rule.lastError ?? "");
    this.#error.hidden = !rule.lastError;
  }
}
