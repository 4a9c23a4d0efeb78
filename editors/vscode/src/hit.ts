/** What of a hit is shown, in words, and where it is opened. Columns are UTF-16 units, here as in the editor. */

import type { Position } from 'vscode-languageclient';
import type { Hit, IndexState } from './protocol';

const ICONS: Readonly<Record<string, string>> = {
  text: 'file-code',
  function: 'symbol-function',
  method: 'symbol-method',
  class: 'symbol-class',
  struct: 'symbol-structure',
  interface: 'symbol-interface',
  trait: 'symbol-interface',
  enum: 'symbol-enum',
  module: 'symbol-namespace',
  type: 'symbol-class',
  constant: 'symbol-constant',
  variable: 'symbol-variable',
  macro: 'symbol-snippet',
  property: 'symbol-property',
  section: 'symbol-string',
  test: 'beaker',
};

/** The name of a product icon. */
export function icon(hit: Hit): string {
  return ICONS[hit.kind ?? 'text'] ?? 'symbol-misc';
}

/** The symbol with what encloses it, or else the first line that says something. */
export function title(hit: Hit): string {
  if (hit.symbol !== undefined) {
    return hit.container === undefined ? hit.symbol : `${hit.container} › ${hit.symbol}`;
  }
  const line = hit.preview.split(/\r\n|\r|\n/).find((each) => /[\p{L}\p{N}]/u.test(each)) ?? hit.language;
  return line.trim().slice(0, 80);
}

/** Where the cursor goes: to the name, or else to the first character of the code. */
export function target(hit: Hit): Position {
  if (hit.nameRange !== undefined) {
    return hit.nameRange.start;
  }
  const { line } = hit.location.range.start;
  const [indent = ''] = /^[ \t]*/.exec(hit.preview) ?? [];
  return { line, character: indent.length };
}

/** The path below the workspace folder, which is named where there are several. */
export function path(hit: Hit, severalFolders: boolean): string {
  const uri = hit.location.uri;
  if (hit.folder === '' || !uri.startsWith(`${hit.folder}/`)) {
    return decode(
      uri.startsWith('untitled:') ? uri.slice('untitled:'.length) : uri.slice(uri.lastIndexOf('/') + 1),
    );
  }
  const from = severalFolders ? hit.folder.lastIndexOf('/') : hit.folder.length;
  return decode(uri.slice(from + 1));
}

export function line(hit: Hit): number {
  return target(hit).line + 1;
}

export function reasons(hit: Hit): string {
  return hit.reasons.join(' · ');
}

export interface Line {
  readonly number: number;
  readonly text: string;
  /** Where words of the query stand in the text. */
  readonly matches: readonly [number, number][];
}

/** The lines of the preview, without what all of them are indented by. */
export function lines(hit: Hit, most: number): readonly Line[] {
  const first = hit.location.range.start.line;
  const all = hit.preview.split(/\r\n|\r|\n/).slice(0, most);
  while (all.length > 1 && all.at(-1)?.trim() === '') {
    all.pop();
  }
  const indents = all
    .filter((each) => each.trim() !== '')
    .map((each) => each.length - each.trimStart().length);
  const indent = indents.length === 0 ? 0 : Math.min(...indents);
  return all.map((text, index) => ({
    number: first + index,
    text: text.slice(indent),
    matches: matchesIn(hit, first + index, indent, text.length),
  }));
}

function matchesIn(hit: Hit, number: number, indent: number, length: number): [number, number][] {
  const found: [number, number][] = [];
  for (const { start, end } of hit.matches ?? []) {
    if (start.line <= number && number <= end.line) {
      const from = Math.max(start.line === number ? start.character : 0, indent);
      const to = Math.min(end.line === number ? end.character : length, length);
      if (from < to) {
        found.push([from - indent, to - indent]);
      }
    }
  }
  return found;
}

/** Whether two answers have the same hits, wherever these are in their files by now and in whatever order. */
export function same(some: readonly Hit[], others: readonly Hit[]): boolean {
  const names = (all: readonly Hit[]): string =>
    JSON.stringify(all.map((hit) => [hit.location.uri, hit.kind, title(hit)].join('\n')).sort());
  return names(some) === names(others);
}

/** What the answer has not seen, in words; empty if it has seen everything. */
export function shortcomings(index: IndexState): string {
  const missing = index.complete
    ? ''
    : `${index.indexedFiles.toLocaleString('en')} of ${index.totalFiles.toLocaleString('en')} files searched so far`;
  return [missing, index.degraded ?? ''].filter((part) => part !== '').join(' · ');
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
