// Signing in with an API key.

import { messageOf } from "../api";
import { h, swap } from "../dom";
import { signIn, type Session } from "../session";

export function signInPage(session: Session, done: (session: Session) => void, why: string): HTMLElement {
  if (!session.keys) {
    return h("main", { class: "signin", id: "main" }, h("h1", {}, "leadgate"), h("p", {}, "The console cannot be shown here."), h("p", { class: "muted" }, session.detail ?? ""));
  }
  const problem = h("p", { class: "problem", role: "alert", id: "signin-problem" }, why);
  const key = h("input", { type: "password", id: "key", name: "key", autocomplete: "current-password", required: true, autofocus: true, "aria-describedby": "signin-problem" });
  const send = h("button", { class: "primary" }, "Sign in");
  const submit = async (): Promise<void> => {
    send.disabled = true;
    swap(problem);
    try {
      done(await signIn(key.value.trim()));
    } catch (error) {
      swap(problem, messageOf(error));
      key.select();
    }
    send.disabled = false;
  };
  return h(
    "main",
    { class: "signin", id: "main" },
    h("h1", {}, "leadgate"),
    h("p", { class: "muted" }, "Sign in with an API key of this gateway. Its roles decide what you can do here."),
    h(
      "form",
      { submit: (event) => { event.preventDefault(); void submit(); } },
      // Password managers expect a user name; there is none.
      h("input", { type: "text", name: "username", autocomplete: "username", value: location.host, hidden: true }),
      h("label", { for: "key" }, "API key"),
      key,
      problem,
      send,
    ),
  );
}
