// Polling, but only while the page is visible.

/** poll runs a task now and then periodically until the signal is aborted. It pauses while the page is hidden. */
export function poll(task: () => Promise<unknown>, every: number, signal: AbortSignal): () => void {
  let timer: number | undefined;
  let running = false;
  let again = false;
  const run = async (): Promise<void> => {
    clearTimeout(timer);
    if (signal.aborted || document.visibilityState === "hidden") return;
    if (running) {
      again = true;
      return;
    }
    running = true;
    await task().catch(() => undefined); // tasks show their own errors
    running = false;
    if (signal.aborted) return;
    if (again) {
      again = false;
      void run();
      return;
    }
    timer = setTimeout(() => void run(), every);
  };
  document.addEventListener("visibilitychange", () => void run(), { signal });
  signal.addEventListener("abort", () => clearTimeout(timer));
  void run();
  return () => void run();
}

/** throttled limits how often a task runs. The last call always leads to a run. */
export function throttled(task: () => void, every: number): () => void {
  let timer: number | undefined;
  let last = 0;
  return () => {
    if (timer !== undefined) return;
    timer = setTimeout(() => {
      timer = undefined;
      last = Date.now();
      task();
    }, Math.max(0, last + every - Date.now()));
  };
}
