/** The frame around every page: where one can go, and what is wrong. */

import { h, fill, icon, setText } from "../dom/element";
import { currentTheme, nextTheme, type Theme } from "./theme";
import { problemBanner } from "./problem";
import logo from "../icon.svg";

/** Something that fills the main area until the reader goes elsewhere. */
export interface Page {
  readonly element: HTMLElement;
  /** Show what the address says now; called when its query has changed. */
  readAddress(): void;
  destroy(): void;
}

export interface Place {
  readonly path: string;
  /** Other paths that are of this place. */
  readonly also?: readonly string[];
  readonly name: string;
  readonly icon: string;
  readonly open: () => Promise<Page>;
}

const THEMES: Record<Theme, { name: string; icon: string }> = {
  system: { name: "System", icon: "M4 5h16v11H4zM9 20h6M12 16v4" },
  light: {
    name: "Light",
    icon: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4M17.6 17.6 19 19M5 19l1.4-1.4M17.6 6.4 19 5",
  },
  dark: { name: "Dark", icon: "M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z" },
};

/** Build the frame into `document.body` and return the function that marks a place and shows its page. */
export function buildShell(places: readonly Place[]): (place: Place, page: HTMLElement) => void {
  const main = h("main", { id: "main", tabindex: "-1" });
  const links = places.map((place) =>
    h("a", { href: place.path, class: "rail-item" }, icon(place.icon), h("span", {}, place.name)),
  );
  const rail = h(
    "nav",
    { class: "rail", "aria-label": "Main" },
    h(
      "a",
      { href: "/", class: "brand", "aria-label": "Veriscope" },
      h("img", { src: logo, alt: "", width: 28, height: 28 }),
    ),
    h("div", { class: "rail-places" }, ...links),
    themeButton(),
  );
  document.body.append(
    h("a", { href: "#main", class: "skip" }, "Skip to content"),
    rail,
    main,
    problemBanner,
  );
  return (place, page) => {
    links.forEach((link, index) => {
      if (places[index] === place) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    });
    fill(main, page);
  };
}

function themeButton(): HTMLButtonElement {
  const name = h("span");
  const picture = h("span", { class: "icon-slot" });
  const button = h(
    "button",
    { type: "button", class: "rail-item theme-toggle", onclick: () => show(nextTheme()) },
    picture,
    name,
  );
  const show = (theme: Theme): void => {
    setText(name, THEMES[theme].name);
    fill(picture, icon(THEMES[theme].icon));
    button.setAttribute("aria-label", `Theme: ${THEMES[theme].name}`);
  };
  show(currentTheme());
  return button;
}
