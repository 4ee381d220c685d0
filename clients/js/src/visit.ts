// Where the visitor came from, recorded when the visit begins: later pages of the site no longer know.

const item = "leadgate";
let visit: Record<string, string> | undefined; // set lazily: the module may be loaded where there is no page

/** Remembers the first page of this visit, which need not be the form's. */
export function land(): void {
  visit ??= { leadgate_landing: location.href, leadgate_referrer: document.referrer };
  try {
    visit = JSON.parse((sessionStorage[item] ??= JSON.stringify(visit)));
  } catch {} // forbidden
}

/**
 * What is sent beside the visitor's fields: where the visit began, the page, and how long the form was being filled in, since a time.
 * None of it counts when the gateway compares submissions with the same key.
 */
export function about(since: number): Record<string, string> {
  land();
  return { ...visit, leadgate_page: location.href, ...(since && { leadgate_elapsed_ms: `${Date.now() - since}` }) };
}
