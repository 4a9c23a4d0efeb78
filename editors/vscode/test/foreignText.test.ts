import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { inCode, inLabel, inLog, inMessage, inPlainText, inStatus } from '../src/foreignText';

const LINK = '[Fix this](command:workbench.action.terminal.sendSequence?%7B%22text%22%3A%22id%22%7D)';

/** VS Code's own patterns of what becomes a link, and an icon (not if it is escaped). */
const MADE_A_LINK = /\[([^\]]+)\]\(((?:https?:\/\/|command:|file:)[^)\s]+)(?: (["'])(.+?)(\3))?\)/i;
const MADE_AN_ICON = /(?<!\\)\$\([A-Za-z0-9-]+(?:~[A-Za-z]+)?\)/;

describe('foreign text', () => {
  it('in a message is no link', () => {
    assert.match(LINK, MADE_A_LINK);
    assert.doesNotMatch(inMessage(`x\` ${LINK} \``), MADE_A_LINK);
    assert.doesNotMatch(inMessage('[a]\n(command:b) [a]\u200e(https://b)'), MADE_A_LINK);
    assert.equal(inMessage('[a](b)'), '[a] (b)');
  });

  it('in a label is no icon, and reads as it is written', () => {
    assert.equal(
      inLabel('x=$(date) $(sync~spin) $(date +%s) $()'),
      String.raw`x=\$(date) \$(sync~spin) $(date +%s) $()`,
    );
    assert.doesNotMatch(inLabel('$(a)$(b)'), MADE_AN_ICON);
    assert.doesNotMatch(inStatus(`$(a) ${LINK}`), MADE_AN_ICON);
    assert.doesNotMatch(inStatus(`$(a) ${LINK}`), MADE_A_LINK);
  });

  it('shows what would hide, and is one line', () => {
    const text = '\x1b]0;owned\x07\u202e\u2066\u009b a\r\nb\tc\u2028d';
    for (const place of [inPlainText, inMessage, inLabel, inStatus]) {
      assert.equal(place(text), String.raw`\x1b]0;owned\x07\u202e\u2066\x9b a b c d`);
    }
  });

  it('leaves all languages and emoji as they are', () => {
    const text = 'Größe 乾杯 شكرا 👩‍🚀 a\u200cb';
    for (const place of [inPlainText, inMessage, inLabel, inStatus, inLog, inCode]) {
      assert.equal(place(text), text);
    }
  });

  it('in the log makes no entry of its own', () => {
    assert.equal(inLog('a\n2026-11-30 [error] b\r\n\tc\x1b'), 'a\n  2026-11-30 [error] b\n  \tc\\x1b');
  });

  it('that is code keeps its columns', () => {
    assert.equal(inCode('a\u202eb\tc\x00'), 'a\ufffdb\tc\ufffd');
  });
});

// --- the code itself ---

const SOURCES = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => ({ name, text: readFileSync(`src/${name}`, 'utf8') }));

/** The files that have something in them, by name. */
function having(pattern: RegExp): string[] {
  return SOURCES.filter(({ text }) => pattern.test(text)).map(({ name }) => name);
}

describe('no code', () => {
  it('shows messages but the module that makes them harmless', () => {
    assert.deepEqual(having(/\bshow(?:Information|Warning|Error)Message\b/), ['messages.ts']);
    assert.deepEqual(
      having(/\b(?:withProgress|setStatusBarMessage|createStatusBarItem|createWebviewPanel)\b/),
      [],
    );
  });

  it('trusts Markdown, or writes foreign text as Markdown', () => {
    assert.deepEqual(having(/\.(?:isTrusted|supportHtml|supportThemeIcons) =/), []);
    const written = SOURCES.flatMap(({ text }) =>
      [...text.matchAll(/appendMarkdown\((.*?)\)/g)].map(([, what]) => what),
    );
    assert.deepEqual(written, [String.raw`'\n'`]);
    assert.deepEqual(having(/new MarkdownString\([^)]/), []);
  });

  it('writes to the log what is neither its own words nor made fit for it', () => {
    const calls = SOURCES.flatMap(({ name, text }) =>
      [...text.matchAll(/\blog(?:\.(?:trace|debug|info|warn|error|append\w*)|\[\w+\])\(\s*(.*)/g)].map(
        ([, what = '']) => `${name}: ${what}`,
      ),
    );
    assert.ok(calls.length > 8, calls.join('\n'));
    const own = /^[^:]+: (?:inLog\(|'|`Loaded in \$)/;
    assert.deepEqual(
      calls.filter((call) => !own.test(call)),
      [],
    );
  });
});
