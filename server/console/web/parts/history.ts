// Success and failure over time: a bar for each minute, deliveries above the line, failures below.

import { svg } from "../dom";

const WIDTH = 480;
const UP = 60;
const DOWN = 24;

export class History {
  readonly element = svg("svg", { class: "history", viewBox: `0 0 ${WIDTH} ${UP + DOWN}`, preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false" });
  private shown = "";

  /** show draws a pair of bars for each minute, oldest first. */
  show(delivered: number[], failed: number[]): void {
    const key = `${delivered.join()}/${failed.join()}`;
    if (key === this.shown) return;
    this.shown = key;
    const most = Math.max(1, ...delivered, ...failed);
    const width = WIDTH / Math.max(1, delivered.length);
    const bar = (i: number, y: number, height: number, kind: string): SVGRectElement => svg("rect", { class: kind, x: i * width + 0.5, y, width: width - 1, height });
    this.element.replaceChildren(
      svg("rect", { class: "line", x: 0, y: UP - 0.5, width: WIDTH, height: 1 }),
      ...delivered.flatMap((n, i) => (n > 0 ? [bar(i, UP - Math.max(2, (n / most) * UP), Math.max(2, (n / most) * UP), "good")] : [])),
      ...failed.flatMap((n, i) => (n > 0 ? [bar(i, UP + 1, Math.max(2, Math.min(1, n / most) * DOWN), "bad")] : [])),
    );
  }
}
