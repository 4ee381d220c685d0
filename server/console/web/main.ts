// The entry point: who is signed in, then the shell around the views, and the view that the address names.

import { messageOf, reached, signedOut } from "./api";
import { h, query, swap } from "./dom";
import { refresh } from "./format";
import { Gateway } from "./gateway";
import type { Show } from "./page";
import { alertsHere } from "./parts/alert";
import { button } from "./parts/button";
import { failed } from "./parts/faces";
import { followLinks, pathTo, place } from "./router";
import { comeBack, type Stay } from "./returning";
import { current, may, type Session } from "./session";
import { leave, Shell } from "./shell";
import { SharedStream } from "./stream/shared";
import { alerts } from "./views/alerts";
import { dead } from "./views/dead";
import { destination } from "./views/destination";
import { destinations } from "./views/destinations";
import { drift } from "./views/drift";
import { held } from "./views/held";
import { lead } from "./views/lead";
import { leads } from "./views/leads";
import { now } from "./views/now";
import { preview } from "./views/preview";
import { signInPage } from "./views/signin";

const app = query(document, "#app");

const views: Record<string, Show> = {
  "": now,
  held,
  dead,
  destinations: (page) => (page.place.rest ? destination(page) : destinations(page)),
  drift,
  alerts,
  preview,
  leads: (page) => (page.place.rest ? lead(page) : leads(page)),
};

const unknown: Show = () => ({ title: "Not found", element: h("div", { class: "face" }, h("h1", {}, "There is nothing here."), h("p", {}, h("a", { href: pathTo("") }, "See what is happening now"))) });

/** The state of a history entry for a page that was shown when the session ended. */
const SIGNED_OUT = "signed out";

async function start(): Promise<void> {
  try {
    const session = await current();
    const wasOut = history.state === SIGNED_OUT;
    if (wasOut) history.replaceState(null, "");
    enter(session, wasOut ? "You were signed out: the gateway no longer accepts your API key." : "");
  } catch (error) {
    swap(app, failed("The console could not start", error, () => void start()));
    console.error(messageOf(error));
  }
}

function enter(session: Session, why = ""): void {
  if (!session.signedIn) {
    document.title = "Sign in · leadgate";
    swap(app, signInPage(session, enter, why));
    app.querySelector<HTMLElement>("[autofocus]")?.focus();
    return;
  }
  if (!may(session, "read")) {
    swap(app, h("main", { class: "signin" }, h("h1", {}, "leadgate"), h("p", {}, `The API key ${session.name ?? ""} does not have the role read, which the console needs.`), h("p", {}, button({ label: "Sign out", kind: "primary", run: leave }))));
    return;
  }
  const end = new AbortController();
  signedOut.addEventListener("signed-out", () => {
    history.replaceState(SIGNED_OUT, "");
    location.reload();
  }, { signal: end.signal, once: true });
  run(session, end.signal);
}

function run(session: Session, signal: AbortSignal): void {
  const stream = new SharedStream();
  const gateway = new Gateway(stream, signal);
  const shell = new Shell(session, stream, gateway, signal);
  swap(app, shell.element);
  let left = new AbortController();
  const show = (stay: Stay | null, first = false): void => {
    left.abort();
    left = new AbortController();
    const where = place();
    const page = { place: where, session, stream, gateway, signal: left.signal };
    const view = (views[where.tab] ?? unknown)(page);
    document.title = `${view.title} · leadgate`;
    swap(shell.main, alertsHere(page), view.element);
    shell.mark();
    if (first) return;
    shell.main.focus({ preventScroll: true }); // where a screen reader continues
    if (stay) comeBack(shell.main, stay, left.signal);
    else scrollTo(0, 0);
  };
  followLinks((stay) => show(stay));
  reached.addEventListener("reached", () => stream.now());
  setInterval(() => document.visibilityState === "visible" && refresh(document), 1_000);
  show(null, true);
}

void start();
