// An action on many items, one by one or a few at a time, with its progress.

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

  /** signal is aborted when the reader stops the action. */
  get signal(): AbortSignal {
    return this.end.signal;
  }

  show(done: number): void {
    set(this.bar, { value: done });
    write(this.text, `${this.name}: ${count(done)} of ${count(this.total)}`);
  }
}

/** How many requests run at a time: enough to be quick, few enough to leave connections for the page. */
const AT_A_TIME = 4;

/** each runs a task on every item, a few at a time, and returns the errors. */
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

/** chunks splits items into lists of a size. */
export const chunks = <T>(items: T[], size: number): T[][] => Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
