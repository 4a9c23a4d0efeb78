import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Hit } from '../src/protocol';
import { byFile, byRelation, flat, hitsOf, lines, live } from '../src/tree/nodes';
import { hit, range } from './hits';

function at(file: string, given: Partial<Hit> = {}): Hit {
  return hit({ location: { uri: `file:///work/shop/${file}`, range: range(0, 0, 2, 0) }, ...given });
}

const FOUND = [at('b.py', { symbol: '1' }), at('src/a.py', { symbol: '2' }), at('b.py', { symbol: '3' })];

describe('rows', () => {
  it('of a list are in the order of the answer', () => {
    assert.deepEqual(
      flat(live(FOUND)).map((row) => row.live.hit.symbol),
      ['1', '2', '3'],
    );
  });

  it('by file are in the order of the best hit of each file', () => {
    const groups = byFile(live(FOUND), false);
    assert.deepEqual(
      groups.map(({ label, description, children }) => [
        label,
        description,
        children.map((row) => row.live.hit.symbol),
      ]),
      [
        ['b.py', '', ['1', '3']],
        ['a.py', 'src', ['2']],
      ],
    );
    assert.deepEqual(
      hitsOf(groups).map((row) => row.live.hit.symbol),
      ['1', '3', '2'],
    );
  });

  it('by relation are where they always are, unknown ones last, and best first within one', () => {
    const related = ['similar', 'mirrored', 'caller', 'similar'].map((relation, index) =>
      hit({ relation, symbol: `${index}` }),
    );
    assert.deepEqual(
      byRelation(live(related)).map(({ label, children }) => [
        label,
        children.map((row) => row.live.hit.symbol),
      ]),
      [
        ['Callers', ['2']],
        ['Similar', ['0', '3']],
        ['Mirrored', ['1']],
      ],
    );
  });

  it('have ids of their own, down to the lines', () => {
    const rows = hitsOf(byFile(live(FOUND), false));
    const ids = rows.flatMap((row) => [row.id, ...lines(row).map((line) => line.id)]);
    assert.equal(new Set(ids).size, ids.length);
  });
});
