/** Everything about alerts: a page for each of its parts below `/alerts`, `/incidents` and `/slos`. */

import "../styles/alerts.css";

import { fill, h } from "../dom/element";
import { IncidentDetail } from "../incidents/detail";
import { IncidentList } from "../incidents/list";
import { ObjectiveDetail } from "../slos/detail";
import { ObjectiveList } from "../slos/list";
import { Poller } from "../shell/poller";
import { reportProblem } from "../shell/problem";
import type { Page } from "../shell/shell";
import { AlertDetail } from "./detail";
import { AlertList } from "./list";
import type { AlertsView } from "./parts";
import { ReceiversView } from "./receivers";
import { RulesView } from "./rules";
import { SilenceForm } from "./silence_form";
import { SilencesView } from "./silences";

const REFRESH_MS = 5000;
const TABS = [
  ["/alerts", "Alerts"],
  ["/incidents", "Incidents"],
  ["/slos", "Objectives"],
  ["/alerts/rules", "Rules"],
  ["/alerts/silences", "Silences"],
  ["/alerts/receivers", "Receivers"],
] as const;

export function openAlerts(): Page {
  return new Alerts();
}

class Alerts implements Page {
  readonly #tabs = TABS.map(([path, name]) => h("a", { href: path }, name));
  readonly #body = h("div", { class: "alerts-body" });
  readonly element = h(
    "div",
    { class: "page alerts" },
    h("nav", { class: "tabs", "aria-label": "Alerting" }, ...this.#tabs),
    this.#body,
  );
  #view: AlertsView | undefined;
  #path = "";
  readonly #poller = new Poller((signal) => this.#refresh(signal), REFRESH_MS);

  constructor() {
    this.readAddress();
  }

  readAddress(): void {
    if (this.#view?.readAddress && location.pathname === this.#path) {
      this.#view.readAddress();
      return;
    }
    this.#path = location.pathname;
    const { tab, view } = viewOf(location.pathname);
    TABS.forEach(([path], index) => {
      if (path === tab) this.#tabs[index]!.setAttribute("aria-current", "page");
      else this.#tabs[index]!.removeAttribute("aria-current");
    });
    this.#view?.destroy?.();
    this.#view = view;
    fill(this.#body, ...this.#view.elements);
    document.title = `${this.#view.title} · Veriscope`;
    this.#poller.restart();
  }

  destroy(): void {
    this.#poller.stop();
    this.#view?.destroy?.();
  }

  async #refresh(signal: AbortSignal): Promise<void> {
    const view = this.#view!;
    try {
      await view.refresh(signal);
      if (signal.aborted) return;
      document.title = `${view.title} · Veriscope`;
      reportProblem(null);
    } catch (error) {
      if (!signal.aborted) reportProblem(error);
    }
  }
}

/** The text of a part of a path; one that was cut off within a character stays as it is. */
function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** What the address shows, and the tab that it is below. */
function viewOf(path: string): { tab: string; view: AlertsView } {
  const [, place, part = "", ...rest] = path.split("/");
  if (place === "incidents")
    return { tab: "/incidents", view: part ? new IncidentDetail(decode(part)) : new IncidentList() };
  if (place === "slos")
    return { tab: "/slos", view: part ? new ObjectiveDetail(decode(part)) : new ObjectiveList() };
  const name = decode(rest.join("/"));
  switch (part) {
    case "rules":
      return { tab: "/alerts/rules", view: new RulesView() };
    case "silences":
      return { tab: "/alerts/silences", view: name ? new SilenceForm(name) : new SilencesView() };
    case "receivers":
      return { tab: "/alerts/receivers", view: new ReceiversView() };
    case "alert":
      return { tab: "/alerts", view: new AlertDetail(name) };
    default:
      return { tab: "/alerts", view: new AlertList() };
  }
}
