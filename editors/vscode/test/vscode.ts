/** What stands in for VS Code in the unit tests: it does nothing, and notes what it is to show. */

/** How VS Code reads a text: as it is, with links in it, with icons in it, or with both. */
export type Reading = 'plain' | 'links' | 'icons' | 'links and icons' | 'trusted Markdown';

export interface Shown {
  readonly reading: Reading;
  readonly text: string;
}

/** Everything that was shown. */
export const shown: Shown[] = [];

function note(reading: Reading, text: string | undefined): void {
  shown.push({ reading, text: text ?? '' });
}

interface Item {
  readonly label: string;
  readonly description?: string;
  readonly detail?: string;
}

function noteItems(items: readonly Item[]): void {
  for (const { label, description, detail } of items) {
    note('icons', label);
    note('icons', description);
    note('icons', detail);
  }
}

const nothing = { dispose: (): void => undefined };
const event = (): typeof nothing => nothing;

// --- classes and names ---

export class Disposable {
  static from(): typeof nothing {
    return nothing;
  }
}
export class EventEmitter {
  readonly event = event;
  fire(): void {
    // nobody listens
  }
  dispose(): void {
    // nothing is held
  }
}
export class CancellationError extends Error {}
export class MarkdownString {
  appendCodeblock(_code: string, language: string): this {
    note('plain', language);
    return this;
  }
  appendText(): this {
    return this;
  }
  appendMarkdown(): this {
    return this; // another test looks at what is written as Markdown
  }
}
export class TreeItem {
  constructor(label: string | { readonly label: string }) {
    note('plain', typeof label === 'string' ? label : label.label);
  }
  set description(text: string) {
    note('plain', text);
  }
}
export class ThemeIcon {
  static readonly File = new ThemeIcon();
}
export class ThemeColor {}
export class TabInputText {}
export class Position {}
export class Range {}
export class Selection {}
export class ProcessExecution {}
export class Task {}
export const Uri = {
  parse: (uri: string): string => uri,
  joinPath: ({ path }: { readonly path: string }, part: string) => ({ path: `${path}/${part}` }),
};
export const TreeItemCollapsibleState = {};
export const LanguageStatusSeverity = {};
export const TextEditorRevealType = {};
export const ViewColumn = {};
export const FileType = { Directory: 2 };
export const TaskRevealKind = {};
export const TaskScope = {};

// --- what shows ---

class FakePick {
  readonly onDidChangeValue = event;
  readonly onDidChangeActive = event;
  readonly onDidAccept = event;
  readonly onDidTriggerItemButton = event;
  readonly onDidTriggerButton = event;
  readonly onDidHide = event;
  readonly activeItems = [];
  value = '';
  set items(items: readonly Item[]) {
    noteItems(items);
  }
  set title(text: string) {
    note('plain', text);
  }
  set placeholder(text: string) {
    note('plain', text);
  }
  set buttons(buttons: readonly { readonly tooltip: string }[]) {
    buttons.forEach(({ tooltip }) => {
      note('plain', tooltip);
    });
  }
  show(): void {
    // it is not to be seen
  }
  hide(): void {
    // it is not to be seen
  }
}

function message(text: string): Promise<undefined> {
  note('links', text);
  return Promise.resolve(undefined);
}

export const window = {
  showErrorMessage: message,
  showWarningMessage: message,
  showInformationMessage: message,
  showQuickPick: (
    items: readonly Item[],
    { title, placeHolder }: { readonly title?: string; readonly placeHolder?: string },
  ): Promise<undefined> => {
    noteItems(items);
    note('plain', title);
    note('plain', placeHolder);
    return Promise.resolve(undefined);
  },
  createQuickPick: (): FakePick => new FakePick(),
  createTreeView: () => ({
    set message(text: string) {
      note('links', text);
    },
    set description(text: string) {
      note('plain', text);
    },
  }),
  createTextEditorDecorationType: () => nothing,
  tabGroups: { activeTabGroup: {}, all: [] },
  activeTextEditor: undefined,
};
let detail = '';
export const languages = {
  createLanguageStatusItem: () => ({
    set text(text: string) {
      note('links and icons', text);
    },
    set detail(text: string) {
      note('links and icons', text);
      detail = text;
    },
    set command({ tooltip = '' }: { readonly tooltip?: string }) {
      note(tooltip === '' ? 'trusted Markdown' : 'plain', tooltip || detail);
    },
    ...nothing,
  }),
};
export const commands = { executeCommand: (): Promise<void> => Promise.resolve() };
/** Lists the files of the open folder. */
export const files: [string, number][] = [];
export const workspace = {
  isTrusted: true,
  workspaceFolders: [
    { uri: { path: '/work/shop', fsPath: '/work/shop', toString: () => 'file:///work/shop' } },
  ],
  getWorkspaceFolder: () => ({ name: 'shop', uri: { path: '/work/shop' } }),
  getConfiguration: () => ({ get: (_name: string, value: unknown) => value }),
  onDidChangeTextDocument: event,
  fs: { readDirectory: () => Promise.resolve(files) },
};
export const env = { openExternal: (): Promise<boolean> => Promise.resolve(true) };
export const tasks = {};
export const extensions = { getExtension: (): undefined => undefined };
