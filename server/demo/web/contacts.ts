// What the simulated CRM has.

import { h, query, swap, write } from "../../console/web/dom";

interface Contact {
  readonly id: string;
  readonly properties: Record<string, string>;
}

/** So many contacts are shown, the newest first. */
const SHOWN = 8;

export async function showContacts(): Promise<void> {
  const contacts = (await (await fetch("/demo/crm/contacts")).json()) as Contact[];
  write(query(document, "#count"), contacts.length > 0 ? `· ${contacts.length} contact${contacts.length > 1 ? "s" : ""}` : "");
  query(document, "#no-contacts").hidden = contacts.length > 0;
  swap(
    query(document, "#contacts"),
    contacts.slice(-SHOWN).reverse().map(({ id, properties: p }) =>
      h("tr", {}, [id, [p.firstname, p.lastname].filter(Boolean).join(" "), p.email, p.company, p.phone, p.country].map((text) => h("td", {}, text ?? "")))),
  );
}
