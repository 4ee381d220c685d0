// Now: the figures, the destinations, and the live list.

import { h, swap } from "../dom";
import type { Page, View } from "../page";
import { Cards } from "../parts/card";
import { empty, fail } from "../parts/faces";
import { figures } from "./figures";
import { LiveList } from "./live";

export function now(page: Page): View {
  const cards = new Cards(page);
  const place = h("section", { class: "destinations", "aria-label": "Destinations" }, cards.element);
  page.gateway.changed(() => {
    const { destinations, error } = page.gateway;
    if (error && !destinations) fail(place, "The destinations could not be read", new Error(error), () => page.gateway.refresh());
    else if (destinations?.length === 0) swap(place, empty("No destination is configured."));
    else if (destinations) {
      if (!place.contains(cards.element)) swap(place, cards.element);
      cards.show(destinations);
    }
  }, page.signal);
  return { title: "Now", element: h("div", {}, h("h1", { class: "hidden" }, "Now"), figures(page), place, new LiveList(page).element) };
}
