/** The results view: an answer that stays where it is while the user works through it. */

import { commands, type Disposable, Disposable as Disposables, workspace } from 'vscode';
import * as hits from '../hit';
import { Latest } from '../latest';
import { openHit } from '../open';
import type { SearchParams, SearchResult } from '../protocol';
import { byFile, flat, live, type LiveHit } from '../tree/nodes';
import { HitsView } from '../tree/view';
import { describe } from './filters';
import type { Answer } from './picker';

/** A view is checked once the index is quiet for so long. */
const QUIET_MS = 500;

export class Results implements Disposable {
  private readonly tree = new HitsView('conexus.results');
  private readonly listener = workspace.onDidChangeConfiguration((event) => {
    if (event.affectsConfiguration('conexus.results.layout')) {
      this.draw();
    }
  });
  private readonly checking: Latest<Answer>;
  private answer: Answer | undefined;
  private found: readonly LiveHit[] = [];
  private current = -1;

  constructor(
    private readonly ask: (params: SearchParams, signal: AbortSignal) => Promise<SearchResult>,
    onError: (error: unknown) => void,
  ) {
    this.checking = new Latest(QUIET_MS, (answer, signal) => this.check(answer, signal), onError);
  }

  get search(): Answer | undefined {
    return this.answer;
  }

  async show(answer: Answer): Promise<void> {
    this.answer = answer;
    this.found = live(answer.result.hits);
    this.draw();
    await commands.executeCommand('setContext', 'conexus.hasResults', true);
    await this.tree.focus();
  }

  async clear(): Promise<void> {
    this.answer = undefined;
    this.tree.show([], '');
    await commands.executeCommand('setContext', 'conexus.hasResults', false);
  }

  /** Another search may find something else now. The rows stay: the user says when to search again. */
  indexChanged(): void {
    if (this.answer !== undefined && this.tree.view.visible) {
      this.checking.soon(this.answer);
    }
  }

  private async check(answer: Answer, signal: AbortSignal): Promise<void> {
    const now = await this.ask(answer.params, signal);
    if (answer === this.answer) {
      this.tree.view.description = hits.same(answer.result.hits, now.hits) ? '' : 'outdated';
    }
  }

  /** Open the next result, or the one before, and show where it is in the view. */
  async step(by: 1 | -1): Promise<void> {
    const rows = this.tree.hits;
    if (rows.length === 0) {
      return;
    }
    const selected = this.tree.view.selection[0];
    const from = selected?.type === 'line' ? selected.parent : selected;
    const at = from?.type === 'hit' ? rows.indexOf(from) : this.current;
    this.current = at < 0 && by < 0 ? rows.length - 1 : (at + by + rows.length) % rows.length;
    const row = rows[this.current];
    if (row !== undefined) {
      await this.tree.view.reveal(row, { select: true, focus: false });
      await openHit(row.live.hit, { preview: true });
    }
  }

  private draw(): void {
    const { answer } = this;
    this.current = -1;
    if (answer === undefined) {
      return;
    }
    const several = (workspace.workspaceFolders?.length ?? 0) > 1;
    const layout = workspace.getConfiguration('conexus').get('results.layout');
    this.tree.show(layout === 'list' ? flat(this.found) : byFile(this.found, several), message(answer));
  }

  dispose(): void {
    Disposables.from(this.tree, this.listener, this.checking).dispose();
  }
}

function message({ query, choice, result }: Answer): string {
  const many = result.hits.length;
  const count = many === 0 ? 'Nothing found' : many === 1 ? '1 result' : `${many} results`;
  return [`${count} for “${query}”`, describe(choice), hits.shortcomings(result.index)]
    .filter((part) => part !== '')
    .join(' · ');
}
