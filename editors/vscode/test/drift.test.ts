import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { drifted, type Edit } from '../src/tree/drift';
import { hit, range } from './hits';

const HIT = hit({ nameRange: range(5, 4, 5, 9), matches: [range(6, 7, 6, 10)] });

function edit(start: [number, number], end: [number, number], text: string): Edit {
  return { range: range(...start, ...end), text };
}

describe('an edit', () => {
  it('above moves the hit', () => {
    const { location, nameRange, matches } = drifted(HIT, [edit([0, 0], [0, 0], 'one\r\ntwo\n')]);
    assert.deepEqual(location.range, range(7, 0, 10, 0));
    assert.deepEqual([nameRange, matches], [range(7, 4, 7, 9), [range(8, 7, 8, 10)]]);
  });

  it('that takes lines away above moves it up', () => {
    assert.deepEqual(drifted(HIT, [edit([1, 0], [3, 0], '')]).location.range, range(3, 0, 6, 0));
  });

  it('on the same line moves what is right of it', () => {
    assert.deepEqual(drifted(HIT, [edit([5, 0], [5, 0], '🎉 ')]).nameRange, range(5, 7, 5, 12));
    assert.deepEqual(drifted(HIT, [edit([4, 2], [5, 2], 'x\n')]).nameRange, range(5, 2, 5, 7));
  });

  it('below leaves it alone', () => {
    assert.deepEqual(drifted(HIT, [edit([8, 1], [9, 0], 'x')]), HIT);
  });

  it('inside makes it longer', () => {
    assert.deepEqual(drifted(HIT, [edit([6, 0], [6, 0], '\n')]).location.range, range(5, 0, 9, 0));
  });

  it('that replaces it leaves it where it was', () => {
    assert.deepEqual(drifted(HIT, [edit([2, 0], [20, 0], 'gone')]).location.range, range(2, 0, 2, 0));
  });

  it('may be one of several', () => {
    const edits = [edit([0, 0], [0, 0], '\n'), edit([3, 0], [4, 0], '')];
    assert.deepEqual(drifted(HIT, edits).location.range, range(5, 0, 8, 0));
    assert.deepEqual(drifted(HIT, edits), drifted(HIT, edits.toReversed()));
  });
});
