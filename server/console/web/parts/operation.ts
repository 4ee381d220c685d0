// An rpc on many, which may take a while: how far it is stands in the corner while it runs. It goes on at the gateway also when
// the page is closed, and is not done twice when the call is repeated.

import type { GetOperationResponse } from "api";
import { get, post } from "../api";
import { h, write } from "../dom";
import { count, number } from "../format";
import { notes } from "./announce";

/** How long an operation may take before its progress is shown, and how often that is asked for, in milliseconds. */
const PATIENCE = 700;

/** operate posts a request on many under an identifier of its own, and shows how far it is. */
export async function operate<T>(name: string, path: string, request: object): Promise<T> {
  const operationId = `console-${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 10)}`;
  const end = new AbortController();
  void watch(name, operationId, end.signal);
  try {
    return await post<T>(path, { ...request, operationId });
  } finally {
    end.abort();
  }
}

async function watch(name: string, id: string, signal: AbortSignal): Promise<void> {
  const text = h("span", {}, name);
  const note = h("p", { class: "toast" }, h("span", { class: "state waiting", "aria-hidden": "true" }, "◐"), text);
  signal.addEventListener("abort", () => note.remove());
  for (;;) {
    await new Promise((done) => setTimeout(done, PATIENCE));
    if (signal.aborted) return;
    if (!note.isConnected) notes().append(note);
    const { operation } = await get<GetOperationResponse>(`/v1/operations/${id}`, {}, signal).catch((): GetOperationResponse => ({})); // it has not begun, or is over
    const total = number(operation?.total);
    write(text, total > 0 ? `${name}: ${count(operation?.matched)} of ${count(total)}` : name);
  }
}
