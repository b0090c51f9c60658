/** Everything about alerts: a page for each of its parts below `/alerts`. */

import "../styles/alerts.css";

import { fill, h } from "../dom/element";
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

const PATH = "/alerts";
const REFRESH_MS = 5000;
const TABS = [
  ["", "Alerts"],
  ["rules", "Rules"],
  ["silences", "Silences"],
  ["receivers", "Receivers"],
] as const;

export function openAlerts(): Page {
  return new Alerts();
}

class Alerts implements Page {
  readonly #tabs = TABS.map(([path, name]) =>
    h("a", { href: path ? `${PATH}/${path}` : PATH, "data-path": path }, name),
  );
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
    const [part = "", ...rest] = location.pathname.slice(PATH.length + 1).split("/");
    for (const tab of this.#tabs) {
      const here = tab.dataset["path"] === (part === "alert" ? "" : part);
      if (here) tab.setAttribute("aria-current", "page");
      else tab.removeAttribute("aria-current");
    }
    this.#view?.destroy?.();
    this.#view = viewOf(part, decode(rest.join("/")));
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

function viewOf(part: string, name: string): AlertsView {
  switch (part) {
    case "rules":
      return new RulesView();
    case "silences":
      return name ? new SilenceForm(name) : new SilencesView();
    case "receivers":
      return new ReceiversView();
    case "alert":
      return new AlertDetail(name);
    default:
      return new AlertList();
  }
}
