// The demo's page: a small business's form, and beside it what leadgate does with what is sent.

import { query, swap, write } from "../../console/web/dom";
import { refresh } from "../../console/web/format";
import { Source, type Link } from "../../console/web/stream/source";
import { state } from "../../console/web/words";
import { showContacts } from "./contacts";
import { listenToForm } from "./form";
import { Stories } from "./stories";
import { Toggles } from "./toggles";

const toggles = new Toggles(query(document, "#toggles"));
const stories = new Stories(query(document, "#stories"), query(document, "#empty"));
listenToForm(toggles);

function showLink(link: Link): void {
  const word = { connecting: state({ word: "connecting", tone: "waiting" }), live: state({ word: "live", tone: "success" }), lost: state({ word: "disconnected, trying again", tone: "failing" }) }[link.state];
  swap(query(document, "#link"), word);
}

new Source(
  {
    event: (event) => {
      stories.take(event);
      if (event.lead?.stage === "STAGE_SUCCESS") void showContacts();
    },
    gap: () => undefined,
    link: showLink,
  },
  undefined,
);
setInterval(() => refresh(document), 500);
write(query(document, "#curl"), `curl ${location.origin}/v1/forms/contact/submissions -d email=grace@example.com -d firstname=Grace`);
void showContacts();
