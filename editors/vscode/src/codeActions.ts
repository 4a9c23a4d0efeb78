/** "Find Related Code" among the code actions of a selection, and of a place when the user asks for them. */

import {
  CodeAction,
  type CodeActionContext,
  CodeActionKind,
  type CodeActionProvider,
  CodeActionTriggerKind,
  type Range,
  type Selection,
  type TextDocument,
} from 'vscode';

const KIND = CodeActionKind.Refactor.append('conexus.related');

export const relatedActions: CodeActionProvider & { readonly kinds: readonly CodeActionKind[] } = {
  kinds: [KIND],

  provideCodeActions(
    _document: TextDocument,
    range: Range | Selection,
    context: CodeActionContext,
  ): CodeAction[] {
    // Else there would be a light bulb on every line.
    if (range.isEmpty && context.triggerKind === CodeActionTriggerKind.Automatic) {
      return [];
    }
    return [
      action('Find related code', 'conexus.related'),
      action('Peek related code', 'conexus.peekRelated'),
    ];
  },
};

function action(title: string, command: string): CodeAction {
  const made = new CodeAction(title, KIND);
  made.command = { title, command };
  return made;
}
