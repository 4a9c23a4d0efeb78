/** Where a hit is after the user has edited its document. */

import type { Position, Range } from 'vscode-languageclient';
import type { Hit } from '../protocol';

export interface Edit {
  readonly range: Range;
  readonly text: string;
}

/** `edits` are those of one change event: of the text before it, and without overlap. */
export function drifted(hit: Hit, edits: readonly Edit[]): Hit {
  // From the last to the first, so that no edit moves the range of one that is still to come.
  const backwards = [...edits].sort((a, b) => compare(b.range.start, a.range.start));
  const move = (position: Position): Position => backwards.reduce(moved, position);
  const moveRange = (range: Range): Range => ({ start: move(range.start), end: move(range.end) });
  return {
    ...hit,
    location: { ...hit.location, range: moveRange(hit.location.range) },
    ...(hit.nameRange !== undefined && { nameRange: moveRange(hit.nameRange) }),
    ...(hit.matches !== undefined && { matches: hit.matches.map(moveRange) }),
  };
}

function moved(position: Position, { range: { start, end }, text }: Edit): Position {
  if (compare(position, end) < 0) {
    return compare(position, start) <= 0 ? position : start;
  }
  const lines = text.split(/\r\n|\r|\n/);
  const last = lines.at(-1) ?? '';
  const line = start.line + lines.length - 1;
  if (position.line > end.line) {
    return { line: position.line + line - end.line, character: position.character };
  }
  const column = (lines.length === 1 ? start.character : 0) + last.length;
  return { line, character: column + position.character - end.character };
}

function compare(a: Position, b: Position): number {
  return a.line - b.line || a.character - b.character;
}
