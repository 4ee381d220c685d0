// What a view gets and what it returns.

import type { Gateway } from "./gateway";
import type { Place } from "./router";
import type { Session } from "./session";
import type { SharedStream } from "./stream/shared";

/** Page is what a view works with while it is shown. */
export interface Page {
  readonly place: Place;
  readonly session: Session;
  readonly stream: SharedStream;
  readonly gateway: Gateway;
  /** signal is aborted when another view is shown. */
  readonly signal: AbortSignal;
}

export interface View {
  readonly title: string;
  readonly element: HTMLElement;
}

export type Show = (page: Page) => View;
