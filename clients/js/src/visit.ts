// Where the visitor came from, captured where the visit began: later pages of the site no longer know.

const item = "leadgate";
let visit: Record<string, string> | undefined; // not at once: the module may be loaded where there is no page

/** Remembers the first page of this visit, which may be another than the form's. */
export function land(): void {
  visit ??= { leadgate_landing: location.href, leadgate_referrer: document.referrer };
  try {
    visit = JSON.parse((sessionStorage[item] ??= JSON.stringify(visit)));
  } catch {} // forbidden
}

/**
 * What is sent beside the visitor's fields: where the visit began, the page, and how long filling it in took since a time.
 * The gateway compares none of it under a key.
 */
export function about(since: number): Record<string, string> {
  land();
  return { ...visit, leadgate_page: location.href, ...(since && { leadgate_elapsed_ms: `${Date.now() - since}` }) };
}
