import assert from 'node:assert/strict';
import { it } from 'node:test';
import { fitToShow } from '../src/serverWords';

const NASTY = '[a](command:b) $(c) \x1b';

it('what the server has shown is no link', () => {
  for (const method of ['window/showMessage', 'window/showMessageRequest']) {
    const message = { jsonrpc: '2.0', method, params: { type: 1, message: NASTY } };
    assert.deepEqual(fitToShow(message), {
      ...message,
      params: { type: 1, message: String.raw`[a] (command:b) $(c) \x1b` },
    });
  }
});

it('what it has logged is plain', () => {
  const message = { jsonrpc: '2.0', method: 'window/logMessage', params: { type: 1, message: 'a\nb\x1b' } };
  assert.equal(fitToShow(message).params.message, 'a\n  b\\x1b');
});

it('how far it says it is makes no icon in the status bar', () => {
  const progress = (value: unknown): unknown =>
    fitToShow({ jsonrpc: '2.0', method: '$/progress', params: { token: 1, value } }).params.value;
  assert.deepEqual(progress({ kind: 'begin', title: '$(a)', message: '$(b)', percentage: 3 }), {
    kind: 'begin',
    title: String.raw`\$(a)`,
    message: String.raw`\$(b)`,
    percentage: 3,
  });
  assert.deepEqual(progress({ kind: 'end' }), { kind: 'end' });
  // Of a partial result, not of work: results are made fit where they are shown.
  assert.deepEqual(progress({ hits: [{ symbol: '$(a)' }] }), { hits: [{ symbol: '$(a)' }] });
});

it('what it refuses with is no link', () => {
  const refusal = fitToShow({ jsonrpc: '2.0', id: 1, error: { code: -32602, message: NASTY } });
  assert.deepEqual(refusal.error, { code: -32602, message: String.raw`[a] (command:b) $(c) \x1b` });
});

it('anything else is passed on as it is', () => {
  for (const message of [
    { jsonrpc: '2.0', id: 1, result: { hits: [{ symbol: NASTY }] } },
    { jsonrpc: '2.0', method: 'conexus/indexChanged', params: { generation: 1, folders: [] } },
    { jsonrpc: '2.0', method: 'window/showMessage' },
    { jsonrpc: '2.0', id: 1, result: {}, error: null },
  ]) {
    assert.equal(fitToShow(message), message);
  }
});
