/** What goes wrong, in words for the user. */

import { CancellationError, type LogOutputChannel } from 'vscode';
import { inLog } from './foreignText';
import { showError } from './messages';

/** A failure that a user can do something about; its message is a sentence. */
export class Problem extends Error {
  override readonly name = 'Problem';
}

/** The one place where errors end. */
export class Problems {
  constructor(private readonly log: LogOutputChannel) {}

  /** Log it and show it; a cancelled question is none. */
  readonly report = (error: unknown): void => {
    if (isCancelled(error)) {
      return;
    }
    const words = inWords(error);
    const all = error instanceof Problem || !(error instanceof Error) ? words : (error.stack ?? words);
    this.log.error(inLog(all));
    const show = 'Show Log';
    void showError(`Conexus: ${words}`, show).then((chosen) => {
      if (chosen === show) {
        this.log.show();
      }
    });
  };

  /** For callbacks of VS Code's, which look at no promise. */
  guard<Arguments extends unknown[]>(
    action: (...given: Arguments) => Promise<void> | void,
  ): (...given: Arguments) => Promise<void> {
    return async (...given) => {
      try {
        await action(...given);
      } catch (error) {
        this.report(error);
      }
    };
  }
}

export function inWords(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** -32800: the client cancelled it; so does a server that is shutting down. */
export function isCancelled(error: unknown): boolean {
  return (
    error instanceof CancellationError || (error instanceof Error && 'code' in error && error.code === -32800)
  );
}
