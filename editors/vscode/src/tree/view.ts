/** A view of hits: groups, hits, and the lines of hits. */

import {
  commands,
  type Disposable,
  Disposable as Disposables,
  EventEmitter,
  MarkdownString,
  ThemeIcon,
  TreeItem,
  TreeItemCollapsibleState,
  type TreeDataProvider,
  type TreeView,
  Uri,
  window,
  workspace,
} from 'vscode';
import { inCode, inMessage, inPlainText } from '../foreignText';
import * as hits from '../hit';
import { openHit, type How } from '../open';
import { drifted, type Edit } from './drift';
import { type HitRow, hitsOf, lines, type Row } from './nodes';

export class HitsView implements TreeDataProvider<Row>, Disposable {
  private readonly changed = new EventEmitter<Row | undefined>();
  private readonly listeners: Disposable;
  private rows: readonly Row[] = [];
  private several = false;

  readonly onDidChangeTreeData = this.changed.event;
  readonly view: TreeView<Row>;

  constructor(private readonly id: string) {
    this.view = window.createTreeView(id, { treeDataProvider: this, showCollapseAll: true });
    this.listeners = Disposables.from(
      this.view,
      this.changed,
      workspace.onDidChangeTextDocument(({ document, contentChanges }) => {
        this.follow(
          document.uri.toString(),
          contentChanges.map(({ range, text }) => ({ range, text })),
        );
      }),
    );
  }

  get hits(): readonly HitRow[] {
    return hitsOf(this.rows);
  }

  show(rows: readonly Row[], message: string): void {
    this.rows = rows;
    this.several = (workspace.workspaceFolders?.length ?? 0) > 1;
    this.view.message = inMessage(message);
    this.view.description = '';
    this.changed.fire(undefined);
  }

  /** Bring the view to the front. */
  async focus(): Promise<void> {
    await commands.executeCommand(`${this.id}.focus`);
  }

  getParent(row: Row): Row | undefined {
    return row.type === 'group' ? undefined : row.parent;
  }

  getChildren(row?: Row): Row[] {
    switch (row?.type) {
      case undefined:
        return [...this.rows];
      case 'group':
        return [...row.children];
      case 'hit':
        return lines(row);
      case 'line':
        return [];
    }
  }

  getTreeItem(row: Row): TreeItem {
    switch (row.type) {
      case 'group': {
        const item = new TreeItem(inPlainText(row.label), TreeItemCollapsibleState.Expanded);
        item.description = inPlainText(row.description);
        if (row.uri !== undefined) {
          item.resourceUri = Uri.parse(row.uri);
          item.iconPath = ThemeIcon.File;
        }
        item.contextValue = 'group';
        return item;
      }
      case 'hit':
        return this.hitItem(row);
      case 'line': {
        const { text, matches } = row.line;
        const item = new TreeItem({ label: inCode(text) || ' ', highlights: [...matches] });
        item.command = openCommand(row);
        return item;
      }
    }
  }

  private hitItem(row: HitRow): TreeItem {
    const { hit } = row.live;
    const item = new TreeItem(inPlainText(hits.title(hit)), TreeItemCollapsibleState.Collapsed);
    const inFile = row.parent?.uri !== undefined;
    const where = inFile ? `:${hits.line(hit)}` : `${hits.path(hit, this.several)}:${hits.line(hit)}`;
    item.description = inPlainText(`${where}  ${hits.reasons(hit)}`);
    item.iconPath = new ThemeIcon(hits.icon(hit));
    const code = new MarkdownString().appendCodeblock(
      hits
        .lines(hit, 20)
        .map((line) => line.text)
        .join('\n'),
      // Written as it is into what begins the block.
      /^[\w+#-]+$/.test(hit.language) ? hit.language : '',
    );
    item.tooltip = code.appendMarkdown('\n').appendText(hits.reasons(hit));
    item.contextValue = 'hit';
    item.command = openCommand(row);
    return item;
  }

  /** Rows of an edited document know where their code went; none of them moves. */
  private follow(uri: string, edits: readonly Edit[]): void {
    if (edits.length === 0) {
      return;
    }
    for (const row of this.hits) {
      const { live } = row;
      if (live.hit.location.uri === uri) {
        const before = hits.line(live.hit);
        live.hit = drifted(live.hit, edits);
        if (hits.line(live.hit) !== before) {
          this.changed.fire(row);
        }
      }
    }
  }

  dispose(): void {
    this.listeners.dispose();
  }
}

export async function openRow(row: Row, how: How = { preview: true }): Promise<void> {
  if (row.type === 'hit') {
    await openHit(row.live.hit, how);
  } else if (row.type === 'line') {
    await openHit(row.parent.live.hit, { ...how, offset: row.offset });
  }
}

function openCommand(row: Row): TreeItem['command'] & object {
  return { command: 'conexus.open', title: 'Open', arguments: [row] };
}
