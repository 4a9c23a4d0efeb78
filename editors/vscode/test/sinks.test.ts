/** Everything that this extension shows, with texts in it that others wrote to deceive the user. */

import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { LogOutputChannel, Memento } from 'vscode';
import { Installation } from '../src/launch/install';
import { Problem, Problems } from '../src/problems';
import type { Hit, SearchResult } from '../src/protocol';
import { chooseLanguages, choosePlace } from '../src/search/choosing';
import { EVERYTHING } from '../src/search/filters';
import { Searches } from '../src/search/picker';
import type { Server } from '../src/server';
import { StatusItems } from '../src/status/items';
import type { ServerState } from '../src/status/state';
import { byFile, byRelation, lines, live } from '../src/tree/nodes';
import { HitsView } from '../src/tree/view';
import { hit } from './hits';
import { files, shown } from './vscode';

const NASTY = 'x $(flame) [Fix](command:workbench.action.terminal.new) \x1b[31m\u202e\n[error] y';

function nastyHit(): Hit {
  const location = { ...hit().location, uri: `file:///work/shop/${encodeURIComponent(NASTY)}` };
  return hit({
    location,
    symbol: NASTY,
    container: NASTY,
    relation: NASTY,
    language: NASTY,
    reasons: [NASTY],
    preview: NASTY,
  });
}

/** That something nasty was shown, and all of it made harmless. */
function assertHarmless(): void {
  assert.ok(
    shown.some(({ text }) => text.includes('flame')),
    JSON.stringify(shown),
  );
  for (const { reading, text } of shown) {
    assert.doesNotMatch(text, /[\p{Cc}\u202e]/u, `${reading}: ${JSON.stringify(text)}`);
    assert.notEqual(reading, 'trusted Markdown');
    if (reading.includes('links')) {
      assert.doesNotMatch(text, /\]\(command:/, reading);
    }
    if (reading.includes('icons')) {
      assert.doesNotMatch(text, /(?<!\\)\$\(flame\)/, reading);
    }
  }
}

function serverIn(state: ServerState, search?: () => Promise<SearchResult>): Server {
  return { state, search, onDidChangeState: () => ({ dispose: () => undefined }) } as unknown as Server;
}

const logged: string[] = [];
const log = {
  error: (text: string) => logged.push(text),
  show: () => undefined,
} as unknown as LogOutputChannel;

function searches(search: () => Promise<SearchResult>, history: readonly string[] = []): Searches {
  const server = serverIn({ kind: 'running' }, search);
  const kept = new Map<string, unknown>([['conexus.history', history]]);
  const memento = { get: (name: string, other: unknown) => kept.get(name) ?? other } as unknown as Memento;
  return new Searches(
    server,
    new Problems(log),
    memento,
    () => Promise.resolve(),
    () => undefined,
  );
}

/** What is asked has been answered, and the answer shown. */
async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

describe('what others wrote is harmless', () => {
  beforeEach(() => {
    shown.length = 0;
    logged.length = 0;
  });

  it('in a message of a failure, and in the log', () => {
    const { report } = new Problems(log);
    report(new Problem(NASTY));
    report(new Error(NASTY));
    report(NASTY);
    assert.equal(shown.length, 3);
    assertHarmless();
    for (const text of logged) {
      assert.doesNotMatch(text, /[^\P{Cc}\n]|\u202e|^\[error\]/mu);
    }
  });

  it('in the offer to install the server', async () => {
    process.env.PATH = process.env.HOME = '/nowhere';
    await new Installation('/nowhere').offer(NASTY);
    assertHarmless();
  });

  it('in the status', async () => {
    const failed = serverIn({ kind: 'failed', problem: NASTY, installable: false });
    await new StatusItems(failed).ask();
    assertHarmless();
  });

  it('in the rows and the message of a view', () => {
    const view = new HitsView('conexus.results');
    const found = live([nastyHit()]);
    for (const groups of [byFile(found, true), byRelation(found)]) {
      view.show(groups, NASTY);
      for (const group of groups) {
        for (const row of [group, ...group.children, ...group.children.flatMap(lines)]) {
          view.getTreeItem(row);
        }
      }
    }
    assertHarmless();
  });

  it('in the rows of a search', async () => {
    const index = { complete: false, indexedFiles: 1, totalFiles: 2, degraded: NASTY };
    const result = { hits: [nastyHit()], index, generation: 1, tookMs: 1 };
    searches(() => Promise.resolve(result)).start({
      query: 'x',
      choice: { ...EVERYTHING, place: { root: '', path: '', label: NASTY } },
    });
    await settled();
    assertHarmless();
    assert.ok(shown.some(({ text }) => text.startsWith('$(')));
  });

  it('in the rows of a search that finds nothing, fails, or was not begun', async () => {
    const index = { complete: true, indexedFiles: 1, totalFiles: 1, degraded: NASTY };
    const nothing = { hits: [], index, generation: 1, tookMs: 1 };
    searches(() => Promise.resolve(nothing)).start({ query: 'x' });
    searches(() => Promise.reject(new Error(NASTY))).start({ query: 'x' });
    searches(() => Promise.resolve(nothing), [NASTY]).start({ query: '' });
    await settled();
    const texts = shown.map(({ text }) => text);
    assert.ok(texts.some((text) => text.startsWith('$(error) x')));
    assert.ok(texts.some((text) => text.startsWith('$(history) x')));
    assertHarmless();
  });

  it('in the lists of languages and folders', async () => {
    await chooseLanguages([], new Set([NASTY]));
    assertHarmless();
  });

  it('in the list of folders', async () => {
    files.push([NASTY, 2]);
    await choosePlace(EVERYTHING, undefined);
    assertHarmless();
  });
});
