// The console begins here: who looks, then the shell around the views, and the view that the address names.

import { messageOf, signedOut } from "./api";
import { h, query, swap } from "./dom";
import { refresh } from "./format";
import { Gateway } from "./gateway";
import type { Show } from "./page";
import { alertsHere } from "./parts/alert";
import { failed } from "./parts/faces";
import { followLinks, pathTo, place } from "./router";
import { current, may, type Session } from "./session";
import { Shell } from "./shell";
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

async function start(): Promise<void> {
  try {
    enter(await current());
  } catch (error) {
    swap(app, failed("The console could not start", error, () => void start()));
    console.error(messageOf(error));
  }
}

function enter(session: Session): void {
  if (!session.signedIn) {
    document.title = "Sign in · leadgate";
    swap(app, signInPage(session, enter));
    app.querySelector<HTMLElement>("[autofocus]")?.focus();
    return;
  }
  if (!may(session, "read")) {
    swap(app, h("main", { class: "signin" }, h("h1", {}, "leadgate"), h("p", {}, `The API key ${session.name ?? ""} does not have the role read, which the console needs.`)));
    return;
  }
  const end = new AbortController();
  signedOut.addEventListener("signed-out", () => location.reload(), { signal: end.signal });
  run(session, end.signal);
}

function run(session: Session, signal: AbortSignal): void {
  const stream = new SharedStream();
  const gateway = new Gateway(stream, signal);
  const shell = new Shell(session, stream, gateway, signal);
  swap(app, shell.element);
  let leave = new AbortController();
  const show = (first = false): void => {
    leave.abort();
    leave = new AbortController();
    const where = place();
    const page = { place: where, session, stream, gateway, signal: leave.signal };
    const view = (views[where.tab] ?? unknown)(page);
    document.title = `${view.title} · leadgate`;
    swap(shell.main, alertsHere(page), view.element);
    shell.mark();
    if (first) return;
    scrollTo(0, 0);
    shell.main.focus({ preventScroll: true }); // where a screen reader goes on
  };
  followLinks(() => show());
  setInterval(() => document.visibilityState === "visible" && refresh(document), 1_000);
  show(true);
}

void start();
