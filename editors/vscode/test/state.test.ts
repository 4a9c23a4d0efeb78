import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StatusResult } from '../src/protocol';
import { report, statusText } from '../src/status/state';

const STATUS: StatusResult = {
  quiescent: true,
  health: 'ok',
  message: '',
  files: 1214,
  chunks: 9000,
  pending: 0,
  dirtyBuffers: 0,
  embeddedChunks: 9000,
  generation: 3,
  model: { name: 'static', dimensions: 256, fingerprint: 'f' },
  folders: [
    {
      uri: 'file:///work/shop',
      files: 1214,
      chunks: 9000,
      complete: true,
      skipped: { large: 2, binary: 0 },
      quarantined: [],
      role: 'writer',
      searchMode: 'exact',
    },
  ],
  phase: 'idle',
  paused: false,
  memoryBytes: 200 * 2 ** 20,
  indexBytes: 30 * 2 ** 20,
  limits: {},
  role: 'writer',
  protocolVersion: 1,
};

function shown(given: Partial<StatusResult>): ReturnType<typeof statusText> {
  return statusText({ kind: 'running', status: { ...STATUS, ...given } });
}

describe('the status says', () => {
  it('how much is indexed', () => {
    assert.deepEqual(shown({}), {
      text: '1,214 files indexed',
      detail: '9,000 chunks of code',
      severity: 'information',
      busy: false,
    });
    assert.equal(shown({ files: 1 }).text, '1 file indexed');
  });

  it('that work is being done, and how much is left', () => {
    const { text, busy } = shown({ quiescent: false, files: 200, pending: 1014 });
    assert.deepEqual([text, busy], ['Indexing: 200 files, 1,014 left', true]);
    assert.equal(shown({ quiescent: false }).text, 'Indexing: 1,214 files');
  });

  it('that indexing is paused, as a warning: what is new is not found', () => {
    const { text, severity } = shown({ paused: true, phase: 'paused' });
    assert.deepEqual([text, severity], ['Paused: 1,214 files indexed', 'warning']);
  });

  it('what the user should know', () => {
    const { detail, severity } = shown({ health: 'warning', message: 'shop: too many files' });
    assert.deepEqual([detail, severity], ['shop: too many files', 'warning']);
  });

  it('what is not saved, and who writes the index', () => {
    assert.equal(
      shown({ dirtyBuffers: 2, role: 'reader' }).detail,
      '9,000 chunks of code, 2 unsaved, another window writes the index',
    );
  });

  it('that the server is starting, stopped, missing or broken', () => {
    assert.equal(statusText({ kind: 'starting' }).busy, true);
    assert.equal(statusText({ kind: 'running' }).text, 'Starting');
    assert.equal(statusText({ kind: 'stopped' }).severity, 'warning');
    const missing = statusText({ kind: 'missing', problem: 'It is not installed.', installable: true });
    assert.deepEqual([missing.detail, missing.severity], ['It is not installed.', 'error']);
  });
});

it('a report has every folder, and what was left out of it', () => {
  assert.match(report(STATUS), /^file:\/\/\/work\/shop: 1,214 files, 2 left out \(large\)$/m);
});
