// An RPC on many items, which may take a while: its progress is shown in the corner. It continues at the gateway even if the page is
// closed, and does not run twice if the call is repeated.

import type { GetOperationResponse } from "api";
import { get, post } from "../api";
import { h, write } from "../dom";
import { count, number } from "../format";
import { notes } from "./announce";

/** How long an operation may take before its progress is shown, and how often progress is requested, in milliseconds. */
const PATIENCE = 700;

/** operate posts a request on many items under an operation id of its own, and shows the progress. */
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
    const { operation } = await get<GetOperationResponse>(`/v1/operations/${id}`, {}, signal).catch((): GetOperationResponse => ({})); // it has not begun, or it has ended
    const total = number(operation?.total);
    write(text, total > 0 ? `${name}: ${count(operation?.matched)} of ${count(total)}` : name);
  }
}
