import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import { Latest } from '../src/latest';

interface Asked {
  readonly question: string;
  readonly signal: AbortSignal;
  readonly fail: (error: Error) => void;
}

describe('of several questions', () => {
  const asked: Asked[] = [];
  const errors: unknown[] = [];
  let latest: Latest<string>;

  beforeEach(() => {
    mock.timers.enable({ apis: ['setTimeout'] });
    asked.length = errors.length = 0;
    latest = new Latest(
      150,
      (question, signal) =>
        new Promise((_, fail) => {
          asked.push({ question, signal, fail });
        }),
      (error) => errors.push(error),
    );
  });

  afterEach(() => {
    mock.timers.reset();
  });

  const questions = (): string[] => asked.map(({ question }) => question);

  it('only the last is asked, once it is quiet', () => {
    latest.soon('r');
    mock.timers.tick(100);
    latest.soon('re');
    mock.timers.tick(149);
    assert.deepEqual(questions(), []);
    mock.timers.tick(1);
    assert.deepEqual(questions(), ['re']);
  });

  it('one that is under way is cancelled by the next', () => {
    latest.now('old');
    latest.soon('new');
    assert.equal(asked[0]?.signal.aborted, true);
    mock.timers.tick(150);
    assert.deepEqual(questions(), ['old', 'new']);
    assert.equal(asked[1]?.signal.aborted, false);
  });

  it('none is left after the end', () => {
    latest.soon('never');
    latest.dispose();
    mock.timers.tick(1000);
    assert.deepEqual(questions(), []);
  });

  it('the failure of one that still counts is told, and no other', async () => {
    latest.now('first');
    latest.now('second');
    const failure = new Error('of the second');
    asked[0]?.fail(new Error('of the first'));
    asked[1]?.fail(failure);
    await Promise.resolve().then(() => Promise.resolve());
    assert.deepEqual(errors, [failure]);
  });
});
