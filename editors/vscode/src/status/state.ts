/** The server's state, and the words that describe it to the user. */

import type { StatusResult } from '../protocol';

export type ServerState =
  | { readonly kind: 'starting' | 'stopped' }
  | { readonly kind: 'missing' | 'failed'; readonly problem: string; readonly installable: boolean }
  | { readonly kind: 'running'; readonly status?: StatusResult };

export interface StatusText {
  readonly text: string;
  readonly detail: string;
  readonly severity: 'information' | 'warning' | 'error';
  readonly busy: boolean;
}

export function statusText(state: ServerState): StatusText {
  switch (state.kind) {
    case 'starting':
      return { text: 'Starting', detail: '', severity: 'information', busy: true };
    case 'stopped':
      return { text: 'Stopped', detail: '', severity: 'warning', busy: false };
    case 'missing':
    case 'failed':
      return { text: 'Not running', detail: state.problem, severity: 'error', busy: false };
    case 'running':
      return state.status === undefined ? statusText({ kind: 'starting' }) : running(state.status);
  }
}

function running(status: StatusResult): StatusText {
  const files = count(status.files, 'file');
  const { health } = status;
  return {
    text: status.paused
      ? `Paused: ${files} indexed`
      : status.quiescent
        ? `${files} indexed`
        : indexing(status),
    detail: status.message !== '' ? status.message : details(status),
    severity: health === 'ok' ? (status.paused ? 'warning' : 'information') : health,
    busy: !status.quiescent,
  };
}

function indexing(status: StatusResult): string {
  return status.pending > 0
    ? `Indexing: ${number(status.files)} files, ${number(status.pending)} left`
    : `Indexing: ${count(status.files, 'file')}`;
}

function details(status: StatusResult): string {
  const unsaved = status.dirtyBuffers > 0 ? [`${number(status.dirtyBuffers)} unsaved`] : [];
  const role = status.role === 'reader' ? ['another window writes the index'] : [];
  return [count(status.chunks, 'chunk') + ' of code', ...unsaved, ...role].join(', ');
}

/** Everything that is known of the index, for the log and for a report. */
export function report(status: StatusResult): string {
  const size = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
  const skipped = (folder: StatusResult['folders'][number]): string =>
    Object.entries(folder.skipped)
      .filter(([, files]) => files > 0)
      .map(([reason, files]) => `, ${number(files)} left out (${reason})`)
      .join('');
  return [
    `${count(status.files, 'file')} in ${count(status.chunks, 'chunk')}, ${status.phase}`,
    `model ${status.model.name} of ${status.model.dimensions} dimensions`,
    `memory ${size(status.memoryBytes)}, index ${size(status.indexBytes)}`,
    ...status.folders.map((each) => `${each.uri}: ${count(each.files, 'file')}${skipped(each)}`),
  ].join('\n');
}

function count(many: number, noun: string): string {
  return `${number(many)} ${noun}${many === 1 ? '' : 's'}`;
}

function number(many: number): string {
  return many.toLocaleString('en');
}
