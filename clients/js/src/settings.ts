// Settings of the whole page: where the gateway is and which words are used.

import type { Options, Words } from "../leadgate";

const settings: Options = {};

export function configure(options: Options): void {
  Object.assign(settings, options);
}

export const withSettings = (options?: Options): Options => ({ ...settings, ...options });

/** An address at the gateway; on the page's own origin if no gateway is set. */
export const at = (path: string, o: Options): string => (o.gateway ?? "").replace(/\/$/, "") + path;

export const languageOf = (o: Options): string => o.language || document.documentElement.lang || navigator.language;

const english: Words = {
  sending: "Sending …",
  sent: "Thank you. We have received it.",
  queued: "You seem to be offline. What you entered is kept on this device and will be sent.",
  failed: "That did not work. Please try again.",
  expired: "What you entered earlier could not be sent. Please enter it again.",
  check: "Please check what is marked.",
  suggest: "Did you mean {}?",
};

const loaded: Record<string, Promise<unknown>> = {};

/** Loads from the gateway what most visitors never need. If it fails, the result is undefined, and the next call tries again. */
const lazily = <T>(url: string, load: (url: string) => Promise<T>): Promise<T | void> =>
  (loaded[url] ??= load(url).catch(() => {
    delete loaded[url];
  })) as Promise<T | void>;

/** The module that detects typos in the domains of e-mail addresses. */
export const typos = (o: Options): Promise<typeof import("./typo") | void> =>
  lazily(at("/leadgate/typo.mjs", o), (url) => import(url));

export async function words(o: Options): Promise<Words> {
  const language = languageOf(o).slice(0, 2);
  const load = async (url: string): Promise<Words> => (await fetch(url)).json();
  return { ...english, ...(language === "en" ? {} : await lazily(at(`/leadgate/${language}.json`, o), load)), ...o.words };
}
