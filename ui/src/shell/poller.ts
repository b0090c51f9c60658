/** Repeating work that rests while nobody looks. */

export class Poller {
  readonly #task: (signal: AbortSignal) => Promise<void>;
  #intervalMs: number;
  #timer: number | undefined;
  #running: AbortController | undefined;
  #stopped = true;

  /** Call `task` every `intervalMs`, never twice at once; `task` handles its own errors. */
  constructor(task: (signal: AbortSignal) => Promise<void>, intervalMs: number) {
    this.#task = task;
    this.#intervalMs = intervalMs;
  }

  start(): void {
    this.#stopped = false;
    document.addEventListener("visibilitychange", this.#look);
    void this.#turn();
  }

  stop(): void {
    this.#stopped = true;
    document.removeEventListener("visibilitychange", this.#look);
    clearTimeout(this.#timer);
    this.#running?.abort();
  }

  /** Drop what is under way and begin again at once. */
  restart(intervalMs = this.#intervalMs): void {
    this.stop();
    this.#intervalMs = intervalMs;
    this.start();
  }

  readonly #look = (): void => {
    if (!document.hidden && !this.#running) void this.#turn();
  };

  async #turn(): Promise<void> {
    clearTimeout(this.#timer);
    if (document.hidden) return;
    const running = new AbortController();
    this.#running = running;
    const began = performance.now();
    await this.#task(running.signal);
    if (this.#running !== running) return;
    this.#running = undefined;
    if (this.#stopped) return;
    // A server that needs long for an answer is left alone for as long again.
    const took = performance.now() - began;
    this.#timer = setTimeout(() => void this.#turn(), Math.max(took, this.#intervalMs - took));
  }
}
