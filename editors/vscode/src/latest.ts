/** Asks a question once the asker is quiet, and forgets it when a newer one comes. */

export class Latest<Question> {
  private timer: NodeJS.Timeout | undefined;
  private running: AbortController | undefined;

  constructor(
    private readonly delayMs: number,
    private readonly ask: (question: Question, signal: AbortSignal) => Promise<void>,
    private readonly onError: (error: unknown) => void,
  ) {}

  /** After the delay, unless something newer comes. */
  soon(question: Question): void {
    this.cancel();
    this.timer = setTimeout(() => {
      this.now(question);
    }, this.delayMs);
  }

  now(question: Question): void {
    this.cancel();
    const running = new AbortController();
    this.running = running;
    this.ask(question, running.signal).catch((error: unknown) => {
      if (!running.signal.aborted) {
        this.onError(error);
      }
    });
  }

  cancel(): void {
    clearTimeout(this.timer);
    this.running?.abort();
    this.running = undefined;
  }

  dispose(): void {
    this.cancel();
  }
}
