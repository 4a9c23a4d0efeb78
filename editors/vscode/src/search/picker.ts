/** Search as you type: a list that asks the server while the user types, and shows where he moves. */

import {
  commands,
  type Disposable,
  Disposable as Disposables,
  type Memento,
  type QuickInputButton,
  type QuickPick,
  type QuickPickItem,
  ThemeIcon,
  window,
  workspace,
} from 'vscode';
import { inLabel, inPlainText } from '../foreignText';
import * as hits from '../hit';
import { Latest } from '../latest';
import { openHit } from '../open';
import { inWords, isCancelled, type Problems } from '../problems';
import type { Hit, SearchParams, SearchResult } from '../protocol';
import type { Server } from '../server';
import { chooseLanguages, choosePlace } from './choosing';
import { type Choice, describe, EVERYTHING, forServer, nextTests } from './filters';
import { remember } from './history';
import { Preview } from './preview';

export interface Search {
  readonly query: string;
  readonly choice: Choice;
}

export interface Answer extends Search {
  readonly params: SearchParams;
  readonly result: SearchResult;
}

interface Row extends QuickPickItem {
  readonly hit?: Hit;
  readonly act?: () => void;
}

const QUIET_MS = 150;
/** Moving on within this time shows nothing: who holds the arrow key wants to get further down. */
const LOOK_MS = 60;

const BESIDE: QuickInputButton = {
  iconPath: new ThemeIcon('split-horizontal'),
  tooltip: 'Open to the Side (Ctrl+Enter)',
};

/** What a search is remembered by in a workspace. */
const HISTORY = 'conexus.history';
const CHOICE = 'conexus.choice';

export class Searches implements Disposable {
  private open: Picker | undefined;

  constructor(
    readonly server: Server,
    readonly problems: Problems,
    readonly memento: Memento,
    /** Shows an answer in the results view. */
    readonly showAnswer: (answer: Answer) => Promise<void>,
    /** Helps when there is no server. */
    readonly help: () => void,
  ) {}

  get history(): readonly string[] {
    return this.memento.get<readonly string[]>(HISTORY, []);
  }

  get choice(): Choice {
    return this.memento.get(CHOICE, EVERYTHING);
  }

  /** Begin a search where the last one ended, unless something else is given. */
  start(search?: Partial<Search>): void {
    if (this.open !== undefined && search === undefined) {
      return; // the key was pressed twice
    }
    this.open?.dispose();
    const { query = this.history[0] ?? '', choice = this.choice } = search ?? {};
    const picker = new Picker(this, query, choice, () => {
      if (this.open === picker) {
        this.open = undefined;
      }
    });
    this.open = picker;
  }

  async ask({ query, choice }: Search, signal: AbortSignal): Promise<Answer> {
    const params = this.params(query, choice);
    return { query, choice, params, result: await this.server.search(params, signal) };
  }

  async keep({ query, choice }: Search): Promise<void> {
    await this.memento.update(HISTORY, remember(this.history, query));
    await this.memento.update(CHOICE, choice);
  }

  openToSide(): void {
    this.open?.openToSide();
  }

  toView(): void {
    this.open?.toView();
  }

  private params(query: string, choice: Choice): SearchParams {
    const editor = this.open?.origin ?? window.activeTextEditor;
    const near =
      editor !== undefined && ['file', 'untitled'].includes(editor.document.uri.scheme)
        ? { textDocument: { uri: editor.document.uri.toString() }, position: editor.selection.active }
        : undefined;
    return {
      query,
      limit: workspace.getConfiguration('conexus').get('search.limit', 30),
      filters: forServer(choice),
      ...(near !== undefined && { near }),
    };
  }

  dispose(): void {
    this.open?.dispose();
  }
}

/** One search, from the first key to the choice. */
class Picker implements Disposable {
  private readonly pick: QuickPick<Row> = window.createQuickPick<Row>();
  private readonly preview = new Preview();
  private readonly asking: Latest<Search>;
  private readonly looking: Latest<Hit>;
  private readonly listeners: Disposable;
  private readonly languagesSeen = new Set<string>();
  private answer: Answer | undefined;
  /** Nothing was found, and that may change by itself. */
  private hopeful = false;
  /** The row that became active by itself when the rows came; looking at it is no move. */
  private first: Row | undefined;
  /** Another list is in front: this one is hidden, and comes back. */
  private aside = false;
  private over = false;

  constructor(
    private readonly searches: Searches,
    query: string,
    private choice: Choice,
    private readonly onEnd: () => void,
  ) {
    const { problems } = searches;
    this.asking = new Latest(QUIET_MS, (search, signal) => this.ask(search, signal), this.fail);
    this.looking = new Latest(LOOK_MS, (hit) => this.preview.show(hit), problems.report);
    const { pick } = this;
    pick.placeholder = 'Say what the code does, or name it';
    pick.matchOnDescription = false;
    pick.matchOnDetail = false;
    unsorted(pick);
    pick.value = query;
    this.listeners = Disposables.from(
      pick,
      this.asking,
      this.looking,
      this.preview,
      pick.onDidChangeValue(() => {
        this.askSoon();
      }),
      pick.onDidChangeActive(([row]) => {
        this.look(row);
      }),
      pick.onDidAccept(() => {
        this.accept(pick.activeItems[0], false);
      }),
      pick.onDidTriggerItemButton(({ item }) => {
        this.accept(item, true);
      }),
      pick.onDidTriggerButton(problems.guard((button) => this.press(button))),
      searches.server.onDidChangeState(() => {
        // Rows that are shown stay; where there are none, none can move.
        if (this.hopeful && !pick.busy) {
          this.askNow();
        }
      }),
      pick.onDidHide(() => {
        if (!this.aside) {
          this.end(true);
        }
      }),
    );
    void commands.executeCommand('setContext', 'conexus.searching', true);
    this.describe();
    pick.show();
    this.askNow();
  }

  get origin(): Preview['origin'] {
    return this.preview.origin;
  }

  openToSide(): void {
    this.accept(this.pick.activeItems[0], true);
  }

  toView(): void {
    const { answer } = this;
    if (answer === undefined) {
      return;
    }
    this.finish(async () => {
      await this.searches.keep(answer);
      await this.searches.showAnswer(answer);
    });
  }

  // --- asking ---

  private askSoon(): void {
    this.pick.busy = true;
    this.asking.soon({ query: this.pick.value, choice: this.choice });
  }

  private askNow(): void {
    this.pick.busy = true;
    this.asking.now({ query: this.pick.value, choice: this.choice });
  }

  private async ask(search: Search, signal: AbortSignal): Promise<void> {
    const asked = { ...search, query: search.query.trim() };
    const answer = asked.query === '' ? undefined : await this.searches.ask(asked, signal);
    if (!signal.aborted) {
      this.answer = answer;
      this.hopeful = answer?.result.hits.length === 0 && !answer.result.index.complete;
      this.show(answer === undefined ? this.historyRows() : this.answerRows(answer));
    }
  }

  private readonly fail = (error: unknown): void => {
    if (!isCancelled(error)) {
      const missing = this.searches.server.state.kind === 'missing';
      const help = missing ? 'Press Enter for help' : 'Press Enter to try again';
      const row = note(inWords(error), help, 'error');
      const act = (): void => {
        if (missing) {
          this.finish(this.searches.help);
        } else {
          this.askNow();
        }
      };
      this.hopeful = true;
      this.show([{ ...row, act }]);
    }
  };

  private show(rows: readonly Row[]): void {
    const { pick } = this;
    this.looking.cancel();
    this.first = rows[0];
    pick.items = rows;
    pick.busy = false;
    this.describe();
  }

  private answerRows({ result }: Answer): Row[] {
    const several = (workspace.workspaceFolders?.length ?? 0) > 1;
    const rows: Row[] = result.hits.map((hit) => ({
      label: `$(${hits.icon(hit)}) ${inLabel(hits.title(hit))}`,
      description: inLabel(`${hits.path(hit, several)}:${hits.line(hit)}`),
      detail: inLabel(hits.reasons(hit)),
      alwaysShow: true,
      buttons: [BESIDE],
      hit,
    }));
    for (const hit of result.hits) {
      this.languagesSeen.add(hit.language);
    }
    const missing = hits.shortcomings(result.index);
    if (rows.length === 0) {
      rows.push(note('Nothing found', missing || describe(this.choice) || 'Try other words'));
    }
    if (!result.index.complete) {
      const act = (): void => {
        this.askNow();
      };
      rows.push({ ...note('Search again', missing, 'sync'), act });
    }
    return rows;
  }

  private historyRows(): Row[] {
    return this.searches.history.map((query) => ({
      ...note(query, '', 'history'),
      act: () => {
        this.pick.value = query;
        this.askNow();
      },
    }));
  }

  // --- what the user does ---

  private look(row: Row | undefined): void {
    const moved = row !== this.first;
    this.first = undefined;
    this.looking.cancel();
    if (moved && row?.hit !== undefined) {
      this.looking.soon(row.hit);
    }
  }

  private accept(row: Row | undefined, beside: boolean): void {
    if (row?.act !== undefined) {
      row.act();
    } else if (row?.hit !== undefined) {
      const { hit } = row;
      const search = { query: this.pick.value, choice: this.choice };
      this.finish(async () => {
        await this.searches.keep(search);
        await openHit(hit, { beside });
      }, beside);
    }
  }

  private async press(button: QuickInputButton): Promise<void> {
    const [languages, place, , toView] = this.pick.buttons;
    if (button === toView) {
      this.toView();
      return;
    }
    if (button === languages) {
      const chosen = await this.putAside(() => chooseLanguages(this.choice.languages, this.languagesSeen));
      this.choice = { ...this.choice, languages: chosen ?? this.choice.languages };
    } else if (button === place) {
      this.choice =
        (await this.putAside(() => choosePlace(this.choice, this.origin?.document.uri))) ?? this.choice;
    } else {
      this.choice = { ...this.choice, tests: nextTests(this.choice.tests) };
    }
    this.describe();
    this.askNow();
  }

  private async putAside<T>(ask: () => Promise<T>): Promise<T> {
    this.aside = true;
    try {
      return await ask();
    } finally {
      this.aside = false;
      this.pick.show();
    }
  }

  private describe(): void {
    const { choice, answer, pick } = this;
    const missing = answer === undefined ? '' : hits.shortcomings(answer.result.index);
    const title = ['Search Code by Meaning', describe(choice), missing];
    pick.title = inPlainText(title.filter((part) => part !== '').join(' — '));
    const languages = choice.languages.length === 0 ? 'all' : `${choice.languages.length}`;
    const tests = { include: 'with', exclude: 'without', only: 'only' }[choice.tests];
    pick.buttons = [
      { iconPath: new ThemeIcon('code'), tooltip: `Languages (${languages})` },
      { iconPath: new ThemeIcon('folder'), tooltip: inPlainText(`Folder (${choice.place?.label ?? 'all'})`) },
      { iconPath: new ThemeIcon('beaker'), tooltip: `Tests (${tests})` },
      { iconPath: new ThemeIcon('list-tree'), tooltip: 'Show in the Results View (Alt+Enter)' },
    ];
  }

  // --- the end ---

  /** End the search, put the editors back if they are not `kept`, and go on. */
  private finish(next: () => Promise<void> | void, restore = true): void {
    this.end(restore, next);
  }

  private end(restore: boolean, next?: () => Promise<void> | void): void {
    if (this.over) {
      return;
    }
    this.over = true;
    this.asking.cancel();
    this.looking.cancel();
    void commands.executeCommand('setContext', 'conexus.searching', false);
    this.onEnd();
    this.pick.hide();
    const rest = async (): Promise<void> => {
      if (restore) {
        await this.preview.restore();
      }
      await next?.();
      this.listeners.dispose();
    };
    void this.searches.problems.guard(rest)();
  }

  dispose(): void {
    this.end(true);
  }
}

/** A row that is no hit. */
function note(text: string, detail: string, icon?: string): Row {
  const label = (icon === undefined ? '' : `$(${icon}) `) + inLabel(text);
  return { label, alwaysShow: true, ...(detail !== '' && { detail: inLabel(detail) }) };
}

/**
 * Keep the server's order: a list sorts the rows whose labels match what is typed to the top. The property that turns
 * this off has been in every version since 2019 and is not among the declared ones (microsoft/vscode#73904).
 */
function unsorted(pick: QuickPick<Row>): void {
  (pick as QuickPick<Row> & { sortByLabel: boolean }).sortByLabel = false;
}
