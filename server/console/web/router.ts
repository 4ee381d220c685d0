// The paths of the console: /console/, /console/leads, /console/leads/{id}, and one for each other tab.

import { query } from "./dom";
import { stayIn, type Stay } from "./returning";

const BASE = "/console/";

export interface Place {
  /** tab is the first element of the path; "" for Now. */
  readonly tab: string;
  /** rest is what follows it; "" for a list. */
  readonly rest: string;
  readonly query: URLSearchParams;
}

export function place(): Place {
  const [tab = "", ...rest] = location.pathname.slice(BASE.length).split("/").map(decodeURIComponent);
  return { tab, rest: rest.join("/"), query: new URLSearchParams([...new URLSearchParams(location.search), ...new URLSearchParams(location.hash.slice(1))]) };
}

/** pathTo puts an e-mail address after the #, which is not sent with requests: it would stay in the logs of proxies. */
export const pathTo = (tab: string, rest = "", query: Record<string, string> = {}): string => {
  const { email = "", ...others } = query;
  const after = (sign: string, parameters: Record<string, string>): string => {
    const text = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== "")).toString();
    return text && sign + text;
  };
  return BASE + tab + (rest ? `/${encodeURIComponent(rest)}` : "") + after("?", others) + after("#", { email });
};

export const leadPath = (id: string): string => pathTo("leads", id);

export function go(path: string): void {
  history.replaceState(stayIn(query(document, "#main")), "");
  history.pushState(null, "", path);
  dispatchEvent(new PopStateEvent("popstate"));
}

/** change puts what a view shows into the address, without a new history entry. */
export function change(path: string): void {
  history.replaceState(null, "", path);
}

/**
 * followLinks makes links between the console's pages change the view instead of reloading the page. show gets the reader's earlier
 * place if it is a return.
 */
export function followLinks(show: (stay: Stay | null) => void): void {
  addEventListener("popstate", (event) => show(event.state as Stay | null));
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    if (!link || link.target || link.origin !== location.origin || !link.pathname.startsWith(BASE)) return;
    event.preventDefault();
    if (link.href !== location.href) go(link.pathname + link.search + link.hash);
  });
}
