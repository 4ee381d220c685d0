// Something done to many, one after the other or a few at a time, with how far it is.

import { h, set, write } from "../dom";
import { count } from "../format";

export class Progress {
  readonly element: HTMLElement;
  private readonly bar: HTMLProgressElement;
  private readonly text = h("span", { role: "status" });
  private readonly end = new AbortController();

  constructor(
    private readonly name: string,
    private readonly total: number,
  ) {
    this.bar = h("progress", { max: total, value: 0, "aria-label": name });
    this.element = h("div", { class: "progress" }, this.bar, this.text, h("button", { type: "button", class: "quiet", click: () => this.end.abort() }, "Stop"));
    this.show(0);
  }

  /** signal ends when the reader wants no more of it. */
  get signal(): AbortSignal {
    return this.end.signal;
  }

  show(done: number): void {
    set(this.bar, { value: done });
    write(this.text, `${this.name}: ${count(done)} of ${count(this.total)}`);
  }
}

/** How many requests are under way at a time: enough to be quick, few enough to leave connections for the page. */
const AT_A_TIME = 4;

/** each does something to every item, a few at a time, and returns what went wrong. */
export async function each<T>(items: T[], progress: Progress, task: (item: T) => Promise<unknown>): Promise<unknown[]> {
  const problems: unknown[] = [];
  let [next, done] = [0, 0];
  const work = async (): Promise<void> => {
    for (let item = items[next++]; item !== undefined && !progress.signal.aborted; item = items[next++]) {
      await task(item).catch((error: unknown) => problems.push(error));
      progress.show(++done);
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, work));
  return problems;
}

/** chunks parts items into lists of a size. */
export const chunks = <T>(items: T[], size: number): T[][] => Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
