/** Opens a hit in an editor. */

import {
  Position,
  Range,
  Selection,
  type TextEditor,
  TextEditorRevealType,
  Uri,
  ViewColumn,
  window,
} from 'vscode';
import type { Range as WireRange } from 'vscode-languageclient';
import { target } from './hit';
import type { Hit } from './protocol';

export interface How {
  readonly beside?: boolean;
  readonly preview?: boolean;
  readonly preserveFocus?: boolean;
  /** Lines below the hit's first one; the hit's name if absent. */
  readonly offset?: number;
  readonly reveal?: TextEditorRevealType;
}

export async function openHit(hit: Hit, how: How = {}): Promise<TextEditor> {
  const at = place(hit, how.offset);
  const editor = await window.showTextDocument(Uri.parse(hit.location.uri), {
    viewColumn: how.beside === true ? ViewColumn.Beside : ViewColumn.Active,
    preview: how.preview ?? false,
    preserveFocus: how.preserveFocus ?? false,
    selection: new Selection(at, at),
  });
  editor.revealRange(new Range(at, at), how.reveal ?? TextEditorRevealType.InCenterIfOutsideViewport);
  return editor;
}

export function rangeOf(hit: Hit): Range {
  return toRange(hit.location.range);
}

/** The name, or else the beginning of the code: what is worth marking in a list of places. */
export function markOf(hit: Hit): Range {
  const at = place(hit, undefined);
  return hit.nameRange === undefined ? new Range(at, at) : toRange(hit.nameRange);
}

function toRange({ start, end }: WireRange): Range {
  return new Range(start.line, start.character, end.line, end.character);
}

function place(hit: Hit, offset: number | undefined): Position {
  if (offset !== undefined) {
    return new Position(hit.location.range.start.line + offset, 0);
  }
  const { line, character } = target(hit);
  return new Position(line, character);
}
