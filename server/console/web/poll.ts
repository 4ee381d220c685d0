// Asking again and again, only while somebody looks.

/** poll runs a task now and every so often until the signal ends; while the page is hidden it rests. */
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

/** throttled runs a task at most once in a while, the last time included. */
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
