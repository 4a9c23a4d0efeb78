/** Shows messages. Nothing else calls VS Code for it, so that no text in a message can become a link or a command. */

import { window } from 'vscode';
import { inMessage } from './foreignText';

type Choice = Thenable<string | undefined>;

export function showError(words: string, ...choices: string[]): Choice {
  return window.showErrorMessage(inMessage(words), ...choices);
}

export function showWarning(words: string, ...choices: string[]): Choice {
  return window.showWarningMessage(inMessage(words), ...choices);
}

export function showInformation(words: string, ...choices: string[]): Choice {
  return window.showInformationMessage(inMessage(words), ...choices);
}
