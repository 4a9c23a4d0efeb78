/** The extension put together: the only place that knows all its parts. */

import { began } from './began';
import { commands, type ExtensionContext, languages, Uri, window, workspace } from 'vscode';
import { relatedActions } from './codeActions';
import { inLog } from './foreignText';
import { Installation } from './launch/install';
import { showInformation } from './messages';
import { Problem, Problems } from './problems';
import { Related } from './related';
import { placeOf } from './search/choosing';
import { EVERYTHING } from './search/filters';
import { asQuery } from './search/history';
import { Searches } from './search/picker';
import { Results } from './search/results';
import { Server } from './server';
import { StatusItems } from './status/items';
import { report } from './status/state';
import type { Row } from './tree/nodes';
import { openRow } from './tree/view';

const loadedMs = performance.now() - began;

let server: Server | undefined;

export function activate(context: ExtensionContext): void {
  const called = performance.now();
  const log = window.createOutputChannel('Conexus', { log: true });
  const problems = new Problems(log);
  const running = new Server(log, settingNames(context), problems.report);
  const installation = new Installation(context.asAbsolutePath('server'));
  server = running;

  const startInstalled = async (): Promise<void> => {
    await running.restart();
    if (running.state.kind === 'missing') {
      throw new Problem(running.state.problem);
    }
  };
  const start = async (begin: () => Promise<void>): Promise<void> => {
    await begin();
    const { state } = running;
    if (state.kind === 'missing') {
      if (!state.installable) {
        throw new Problem(state.problem);
      }
      if (await installation.offer(state.problem)) {
        await startInstalled();
      }
    }
  };
  const restart = (): Promise<void> => start(() => running.restart());

  const results = new Results((params, signal) => running.search(params, signal), problems.report);
  const related = new Related(running, problems);
  const status = new StatusItems(running);
  const searches = new Searches(
    running,
    problems,
    context.workspaceState,
    (answer) => results.show(answer),
    () => void problems.guard(restart)(),
  );

  const handlers: Readonly<Record<string, (...given: never[]) => Promise<void> | void>> = {
    search: () => {
      searches.start();
    },
    searchSelection: () => {
      searches.start({ query: selectedText() });
    },
    searchInFolder: (folder: Uri) => {
      const place = placeOf(folder);
      searches.start({ choice: { ...EVERYTHING, ...(place !== undefined && { place }) } });
    },
    'search.openToSide': () => {
      searches.openToSide();
    },
    'search.toView': () => {
      searches.toView();
    },
    'results.edit': () => {
      searches.start(results.search);
    },
    'results.again': async () => {
      if (results.search !== undefined) {
        await results.show(await searches.ask(results.search, new AbortController().signal));
      }
    },
    'results.clear': () => results.clear(),
    'results.asList': () => set('results.layout', 'list'),
    'results.asFiles': () => set('results.layout', 'files'),
    nextResult: () => results.step(1),
    previousResult: () => results.step(-1),
    related: () => related.find(),
    peekRelated: () => related.peek(),
    'related.follow': () => set('related.followCursor', true),
    'related.unfollow': () => set('related.followCursor', false),
    open: (row: Row) => openRow(row),
    openToSide: (row: Row) => openRow(row, { beside: true }),
    status: () => status.ask(),
    pause: () => running.pause(),
    resume: () => running.resume(),
    reindex: () => running.reindex(),
    restart,
    install: async () => {
      if (running.state.kind === 'running') {
        void showInformation('The Conexus server is installed and running.');
      } else if (await installation.install()) {
        await startInstalled();
      }
    },
    showLog: async () => {
      if (running.state.kind === 'running') {
        log.info(inLog(report(await running.status())));
      }
      log.show();
    },
    openSettings: async () => {
      await commands.executeCommand('workbench.action.openSettings', '@ext:conexus.conexus');
    },
  };

  context.subscriptions.push(
    log,
    running,
    results,
    related,
    status,
    searches,
    languages.registerCodeActionsProvider([{ scheme: 'file' }, { scheme: 'untitled' }], relatedActions, {
      providedCodeActionKinds: relatedActions.kinds,
    }),
    running.onDidChangeIndex(() => {
      results.indexChanged();
    }),
    workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration('conexus.path')) {
        void problems.guard(restart)();
      }
    }),
    workspace.onDidGrantWorkspaceTrust(problems.guard(() => start(() => running.start()))),
    ...Object.entries(handlers).map(([name, handler]) =>
      commands.registerCommand(
        `conexus.${name}`,
        problems.guard(handler as (...given: unknown[]) => Promise<void>),
      ),
    ),
  );
  log.info(`Loaded in ${loadedMs.toFixed(0)} ms, activated in ${(performance.now() - called).toFixed(0)} ms`);
  void problems.guard(() => start(() => running.start()))();
}

export async function deactivate(): Promise<void> {
  await server?.stop();
}

function selectedText(): string {
  const editor = window.activeTextEditor;
  if (editor === undefined) {
    return '';
  }
  const word = editor.document.getWordRangeAtPosition(editor.selection.active);
  return asQuery(editor.document.getText(editor.selection.isEmpty ? word : editor.selection));
}

async function set(name: string, value: unknown): Promise<void> {
  await workspace.getConfiguration('conexus').update(name, value, true);
}

/** Without `conexus.`. */
function settingNames(context: ExtensionContext): string[] {
  const { contributes } = context.extension.packageJSON as {
    contributes: { configuration: { properties: Record<string, unknown> } };
  };
  return Object.keys(contributes.configuration.properties).map((name) => name.replace(/^conexus\./, ''));
}
