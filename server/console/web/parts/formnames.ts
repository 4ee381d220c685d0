// The names of the forms, suggested where one is typed.

import { h, swap } from "../dom";
import type { Page } from "../page";

/** FORMS is the id of the list, for the list attribute of a field. */
export const FORMS = "forms";

export function formNames(page: Page): HTMLDataListElement {
  const names = h("datalist", { id: FORMS });
  let shown = "";
  page.gateway.changed(() => {
    const forms = (page.gateway.stats?.forms ?? []).flatMap((f) => f.form ?? []);
    if (forms.join() === shown) return;
    shown = forms.join();
    swap(names, forms.map((value) => h("option", { value })));
  }, page.signal);
  return names;
}
