import assert from 'node:assert/strict';
import { it } from 'node:test';
import { parse } from '../src/serverLog';

it('a line has the level that the server gave it', () => {
  assert.deepEqual(parse('2026-11-26 10:00:00,123 WARNING conexus.index: the disk is full', 'info'), {
    level: 'warn',
    text: 'conexus.index: the disk is full',
  });
});

it('the lines of a traceback have that of the line before', () => {
  assert.deepEqual(parse('  File "x.py", line 1, in f', 'error'), {
    level: 'error',
    text: '  File "x.py", line 1, in f',
  });
});
