/** Shows hits in an editor while the user looks through them, and puts everything back if none is chosen. */

import {
  type Disposable,
  type Tab,
  TabInputText,
  type TextEditor,
  type TextEditorDecorationType,
  TextEditorRevealType,
  ThemeColor,
  ViewColumn,
  window,
} from 'vscode';
import { openHit, rangeOf } from '../open';
import type { Hit } from '../protocol';

export class Preview implements Disposable {
  private readonly highlight: TextEditorDecorationType = window.createTextEditorDecorationType({
    backgroundColor: new ThemeColor('editor.rangeHighlightBackground'),
    isWholeLine: true,
  });
  private readonly before = window.activeTextEditor;
  private readonly selections = this.before?.selections ?? [];
  private readonly visible = this.before?.visibleRanges[0];
  private readonly tab = window.tabGroups.activeTabGroup.activeTab;
  private readonly openBefore = new Set(textTabs().map(([uri]) => uri));
  private readonly opened = new Set<string>();
  private shown: TextEditor | undefined;
  private latest: Promise<void> = Promise.resolve();
  private wanted: Hit | undefined;

  /** Where the user was when the search began. */
  get origin(): TextEditor | undefined {
    return this.before;
  }

  /** Show a hit; of several that are asked for meanwhile, only the last. */
  show(hit: Hit): Promise<void> {
    this.wanted = hit;
    this.latest = this.latest.catch(() => undefined).then(() => this.open(hit));
    return this.latest;
  }

  /** Put back what was there. */
  async restore(): Promise<void> {
    this.wanted = undefined;
    await this.latest.catch(() => undefined);
    if (this.shown === undefined) {
      return;
    }
    this.clear();
    const { before, tab } = this;
    if (before !== undefined && !before.document.isClosed) {
      const editor = await window.showTextDocument(before.document, {
        viewColumn: before.viewColumn ?? ViewColumn.Active,
        preview: tab?.isPreview ?? false,
      });
      editor.selections = this.selections;
      if (this.visible !== undefined) {
        editor.revealRange(this.visible);
      }
    }
    const ours = textTabs().filter(([uri, each]) => this.opened.has(uri) && !each.isDirty);
    await window.tabGroups.close(
      ours.map(([, each]) => each),
      true,
    );
  }

  private async open(hit: Hit): Promise<void> {
    if (hit !== this.wanted) {
      return;
    }
    // In the centre: the list of results lies over what is above.
    const reveal = TextEditorRevealType.InCenter;
    const editor = await openHit(hit, { preview: true, preserveFocus: true, reveal });
    this.clear();
    this.shown = editor;
    const uri = editor.document.uri.toString();
    if (!this.openBefore.has(uri)) {
      this.opened.add(uri);
    }
    editor.setDecorations(this.highlight, [rangeOf(hit)]);
  }

  private clear(): void {
    this.shown?.setDecorations(this.highlight, []);
    this.shown = undefined;
  }

  dispose(): void {
    this.highlight.dispose();
  }
}

function textTabs(): [string, Tab][] {
  return window.tabGroups.all.flatMap((group) =>
    group.tabs.flatMap((tab): [string, Tab][] =>
      tab.input instanceof TabInputText ? [[tab.input.uri.toString(), tab]] : [],
    ),
  );
}
