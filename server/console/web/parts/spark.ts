// A curve of the last hour, small enough for a line of text.

import { svg } from "../dom";

const WIDTH = 120;
const HEIGHT = 24;

export class Spark {
  readonly element = svg("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false" });
  private shown = "";

  /** show draws a bar for each value, oldest first. */
  show(values: number[]): void {
    const key = values.join();
    if (key === this.shown || values.length === 0) return;
    this.shown = key;
    const most = Math.max(...values, 1);
    const width = WIDTH / values.length;
    this.element.replaceChildren(
      ...values.map((value, i) => {
        const height = value === 0 ? 1 : Math.max(2, (value / most) * HEIGHT);
        return svg("rect", { x: i * width, y: HEIGHT - height, width: Math.max(0.5, width - 0.6), height, class: value === 0 ? "none" : "" });
      }),
    );
  }
}
