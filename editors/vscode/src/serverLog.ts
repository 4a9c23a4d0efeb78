/** The server's log lines, as they come from its standard error. */

export type Level = 'debug' | 'info' | 'warn' | 'error';

const LINE = /^\d{4}-\d\d-\d\d [\d:,]+ (DEBUG|INFO|WARNING|ERROR|CRITICAL) (.*)$/;

const LEVELS: Readonly<Record<string, Level>> = {
  DEBUG: 'debug',
  INFO: 'info',
  WARNING: 'warn',
  ERROR: 'error',
  CRITICAL: 'error',
};

/** The time is left out: the log has its own. A line of no level, of a traceback say, has that of the line before. */
export function parse(line: string, before: Level): { readonly level: Level; readonly text: string } {
  const [, level = '', text = line] = LINE.exec(line) ?? [];
  return { level: LEVELS[level] ?? before, text };
}
