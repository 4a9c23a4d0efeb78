/** What the status bar's language menu says of Conexus, and the list of what can be done about it. */

import {
  type Command,
  commands,
  type Disposable,
  type LanguageStatusItem,
  languages,
  LanguageStatusSeverity,
  window,
} from 'vscode';
import { inPlainText, inStatus } from '../foreignText';
import type { Server } from '../server';
import { type ServerState, statusText } from './state';

const SELECTOR = [{ scheme: 'file' }, { scheme: 'untitled' }];

const SEVERITIES = {
  information: LanguageStatusSeverity.Information,
  warning: LanguageStatusSeverity.Warning,
  error: LanguageStatusSeverity.Error,
};

export class StatusItems implements Disposable {
  private readonly item: LanguageStatusItem = languages.createLanguageStatusItem('conexus.status', SELECTOR);
  private readonly listener: Disposable;

  constructor(private readonly server: Server) {
    this.item.name = 'Conexus';
    this.listener = server.onDidChangeState((state) => {
      this.show(state);
    });
    this.show(server.state);
  }

  /** A list with the state on top and all that can be done below it. */
  async ask(): Promise<void> {
    const items = actions(this.server.state).map(({ icon, title, command }) => ({
      label: `$(${icon}) ${title}`,
      command,
    }));
    const chosen = await window.showQuickPick(items, {
      title: 'Conexus',
      placeHolder: inPlainText(said(this.server.state)),
    });
    if (chosen !== undefined) {
      await commands.executeCommand(chosen.command);
    }
  }

  private show(state: ServerState): void {
    const { text, detail, severity, busy } = statusText(state);
    this.item.text = inStatus(`Conexus: ${text}`);
    this.item.detail = inStatus(detail);
    this.item.severity = SEVERITIES[severity];
    this.item.busy = busy;
    // Without a tooltip, an item that is pinned shows its detail as Markdown that may run commands.
    this.item.command = { ...mainCommand(state), tooltip: inPlainText(said(state)) };
    const running = state.kind === 'running';
    void commands.executeCommand('setContext', 'conexus.running', running);
    void commands.executeCommand('setContext', 'conexus.missing', state.kind === 'missing');
    void commands.executeCommand('setContext', 'conexus.paused', running && state.status?.paused === true);
  }

  dispose(): void {
    this.item.dispose();
    this.listener.dispose();
  }
}

/** The state in one line. */
function said(state: ServerState): string {
  const { text, detail } = statusText(state);
  return [text, detail].filter((part) => part !== '').join(' — ');
}

interface Action {
  readonly icon: string;
  readonly title: string;
  readonly command: string;
}

function actions(state: ServerState): Action[] {
  const log = { icon: 'output', title: 'Show Log', command: 'conexus.showLog' };
  const restart = { icon: 'debug-restart', title: 'Restart Server', command: 'conexus.restart' };
  const install = { icon: 'cloud-download', title: 'Install Server', command: 'conexus.install' };
  const pause = { icon: 'debug-pause', title: 'Pause Indexing', command: 'conexus.pause' };
  const resume = { icon: 'play', title: 'Resume Indexing', command: 'conexus.resume' };
  const search = { icon: 'search', title: 'Search Code by Meaning', command: 'conexus.search' };
  const reindex = { icon: 'refresh', title: 'Read All Files Again', command: 'conexus.reindex' };
  const settings = { icon: 'gear', title: 'Settings', command: 'conexus.openSettings' };
  if (state.kind === 'running') {
    const paused = state.status?.paused === true;
    return [search, paused ? resume : pause, reindex, log, restart, settings];
  }
  return [...(state.kind === 'missing' ? [install] : []), restart, log, settings];
}

function mainCommand(state: ServerState): Command {
  if (state.kind === 'missing' && state.installable) {
    return { title: 'Install', command: 'conexus.install' };
  }
  if (state.kind === 'running' && state.status?.paused === true) {
    return { title: 'Resume', command: 'conexus.resume' };
  }
  return { title: 'Actions', command: 'conexus.status' };
}
