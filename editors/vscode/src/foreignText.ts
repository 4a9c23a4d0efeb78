/**
 * Text that others wrote (a repository, the server, another program, the file system), made fit to be shown. None of it
 * becomes a link, a command or an icon, and none of its characters hides or moves others. Each kind of place where
 * text is shown has its function here.
 */

/** Control characters, and the marks that turn the direction of writing. */
const HIDDEN = /[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;
const SPACES = /\r\n|[\t\n\v\f\r\u0085\u2028\u2029]/g;
/** What VS Code shows an icon for, as its own `escapeIcons` knows it. */
const ICON = /\$\([A-Za-z0-9-]+(?:~[A-Za-z]+)?\)/g;

/** A place that shows text as it is: a title, the label of a row in a tree. */
export function inPlainText(text: string): string {
  return visible(text.replaceAll(SPACES, ' '));
}

/** A notification, a dialog, the message of a view: there `[label](target)` is a link, even to a command. */
export function inMessage(text: string): string {
  return inPlainText(text).replaceAll('](', '] (');
}

/** A row of a list, the status bar: there `$(name)` is an icon. */
export function inLabel(text: string): string {
  return inPlainText(text).replaceAll(ICON, String.raw`\$&`);
}

/** The status of a language: there links and icons are made. */
export function inStatus(text: string): string {
  return inLabel(inMessage(text));
}

/** A line of code in a row: it keeps its length, so that columns in it stay right. */
export function inCode(text: string): string {
  return text.replaceAll(HIDDEN, (found) => (found === '\t' ? found : '\ufffd'));
}

/** The log: what follows a line end is indented, so that no text looks like an entry of its own. */
export function inLog(text: string): string {
  return text
    .split(/\r\n|[\n\r\u0085\u2028\u2029]/)
    .map((line) => line.split('\t').map(visible).join('\t'))
    .join('\n  ');
}

function visible(text: string): string {
  return text.replaceAll(HIDDEN, (found) => {
    const code = found.charCodeAt(0).toString(16);
    return code.length > 2 ? `\\u${code.padStart(4, '0')}` : `\\x${code.padStart(2, '0')}`;
  });
}
