/** Code that has to do with a place: in a view, which can follow the cursor, and as a peek. */

import {
  commands,
  type Disposable,
  Disposable as Disposables,
  Location,
  type TextEditor,
  Uri,
  window,
  workspace,
} from 'vscode';
import * as hits from './hit';
import { Latest } from './latest';
import { markOf } from './open';
import { Problem, type Problems } from './problems';
import type { RelatedParams, SearchResult } from './protocol';
import type { Server } from './server';
import { byRelation, live } from './tree/nodes';
import { HitsView } from './tree/view';

/** The cursor rests for so long before the view follows it. */
const REST_MS = 300;

export class Related implements Disposable {
  private readonly tree = new HitsView('conexus.related');
  private readonly asking: Latest<TextEditor>;
  private readonly listeners: Disposable;

  constructor(
    private readonly server: Server,
    problems: Problems,
  ) {
    this.asking = new Latest(REST_MS, (editor, signal) => this.show(editor, signal), problems.report);
    this.listeners = Disposables.from(
      this.tree,
      this.asking,
      window.onDidChangeTextEditorSelection(({ textEditor }) => {
        this.follow(textEditor);
      }),
      window.onDidChangeActiveTextEditor((editor) => {
        this.follow(editor);
      }),
      this.tree.view.onDidChangeVisibility(() => {
        this.follow(window.activeTextEditor);
      }),
      workspace.onDidChangeConfiguration((event) => {
        if (event.affectsConfiguration('conexus.related.followCursor')) {
          this.follow(window.activeTextEditor);
        }
      }),
    );
  }

  /** Show what is related to the cursor or the selection in the view. */
  async find(): Promise<void> {
    const editor = editorWithCode();
    await this.tree.focus();
    this.asking.now(editor);
  }

  /** Show it as a peek in the editor. */
  async peek(): Promise<void> {
    const editor = editorWithCode();
    const result = await this.server.related(params(editor), new AbortController().signal);
    if (result.hits.length === 0) {
      throw new Problem(nothing(editor, result));
    }
    const places = result.hits.map((hit) => new Location(Uri.parse(hit.location.uri), markOf(hit)));
    await commands.executeCommand(
      'editor.action.peekLocations',
      editor.document.uri,
      editor.selection.active,
      places,
      'peek',
    );
  }

  private follow(editor: TextEditor | undefined): void {
    const wanted = workspace.getConfiguration('conexus').get<boolean>('related.followCursor', false);
    if (wanted && this.tree.view.visible && editor !== undefined && hasCode(editor)) {
      this.asking.soon(editor);
    }
  }

  private async show(editor: TextEditor, signal: AbortSignal): Promise<void> {
    const result = await this.server.related(params(editor), signal);
    if (!signal.aborted) {
      const missing = hits.shortcomings(result.index);
      const message = result.hits.length === 0 ? nothing(editor, result) : `Related to ${place(editor)}`;
      this.tree.show(
        byRelation(live(result.hits)),
        [message, missing].filter((part) => part !== '').join(' · '),
      );
    }
  }

  dispose(): void {
    this.listeners.dispose();
  }
}

function params({ document, selection }: TextEditor): RelatedParams {
  const { start, end, active } = selection;
  const textDocument = { uri: document.uri.toString() };
  const where = selection.isEmpty ? { position: active } : { range: { start, end } };
  return { textDocument, ...where, limit: 40 };
}

function editorWithCode(): TextEditor {
  const editor = window.activeTextEditor;
  if (editor === undefined || !hasCode(editor)) {
    throw new Problem('Related code needs a position in a file; put the cursor there first.');
  }
  return editor;
}

function hasCode({ document }: TextEditor): boolean {
  return document.uri.scheme === 'file' || document.uri.scheme === 'untitled';
}

function place({ document, selection }: TextEditor): string {
  const name = document.uri.path.slice(document.uri.path.lastIndexOf('/') + 1);
  const first = selection.start.line + 1;
  const last = selection.end.line + 1;
  return first === last ? `${name}:${first}` : `${name}:${first}–${last}`;
}

function nothing(editor: TextEditor, result: SearchResult): string {
  return `Nothing related to ${place(editor)} ${result.index.complete ? 'was found.' : 'was found so far.'}`;
}
