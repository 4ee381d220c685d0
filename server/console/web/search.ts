// The search field in the header: an e-mail address, or the identifier of a lead or delivery.

import { h } from "./dom";
import { go, leadPath, pathTo } from "./router";

const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/i;

export function searchField(): HTMLFormElement {
  const input = h("input", { type: "search", id: "search", "aria-label": "Search a lead by e-mail address or id", placeholder: "search lead: e-mail or id", autocomplete: "off", spellcheck: "false", "aria-keyshortcuts": "/ Meta+K Control+K" });
  return h(
    "form",
    {
      class: "search",
      role: "search",
      "aria-label": "All leads",
      submit: (event) => {
        event.preventDefault();
        const text = input.value.trim();
        if (!text) return;
        go(target(text));
        input.value = "";
        input.blur();
      },
    },
    input,
    h("kbd", { "aria-hidden": "true" }, "/"),
  );
}

/** target returns where a search leads. A delivery's identifier begins with its lead's. */
function target(text: string): string {
  const id = uuid.exec(text);
  return id ? leadPath(id[0].toLowerCase()) : pathTo("leads", "", { email: text.toLowerCase() });
}
