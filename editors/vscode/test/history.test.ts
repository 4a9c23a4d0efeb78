import assert from 'node:assert/strict';
import { it } from 'node:test';
import { asQuery, remember } from '../src/search/history';

it('the latest query comes first, once, and an empty one is none', () => {
  assert.deepEqual(remember(['a', 'b', 'c'], ' b '), ['b', 'a', 'c']);
  assert.deepEqual(remember(['a'], '  '), ['a']);
});

it('old queries are forgotten', () => {
  const many = Array.from({ length: 50 }, (_, index) => `${index}`);
  assert.equal(remember(many, 'new').length, 20);
});

it('a selection is a query of one line that is not too long', () => {
  assert.equal(asQuery('  def f():\n\treturn 1\n'), 'def f(): return 1');
  assert.equal(asQuery('word '.repeat(1000)).length, 299);
});
