import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as hits from '../src/hit';
import { hit, range } from './hits';

describe('the title of a hit', () => {
  it('is the symbol with what encloses it', () => {
    assert.equal(hits.title(hit({ symbol: 'pay', container: 'Checkout' })), 'Checkout › pay');
    assert.equal(hits.title(hit({ symbol: 'pay' })), 'pay');
  });

  it('is the first line that says something where there is no symbol', () => {
    assert.equal(hits.title(hit({ preview: '\n  }\r\n    return total;\n' })), 'return total;');
  });

  it('is the language where no line says anything', () => {
    assert.equal(hits.title(hit({ preview: '{\n}\n' })), 'python');
  });
});

describe('where a hit is opened', () => {
  it('is its name', () => {
    assert.deepEqual(hits.target(hit({ nameRange: range(5, 30, 5, 45) })), { line: 5, character: 30 });
  });

  it('is the first character of the code where it has none', () => {
    assert.deepEqual(hits.target(hit({ preview: '\t  return 1\n' })), { line: 5, character: 3 });
  });
});

describe('the path of a hit', () => {
  it('is below the folder, with its name only where there are several', () => {
    assert.equal(hits.path(hit(), false), 'src/retry.py');
    assert.equal(hits.path(hit(), true), 'shop/src/retry.py');
  });

  it('is decoded', () => {
    const uri = 'file:///work/shop/a%20b/%C3%A4%23.py';
    assert.equal(hits.path(hit({ location: { uri, range: range(0, 0, 1, 0) } }), false), 'a b/ä#.py');
  });

  it('is the name alone outside the folders', () => {
    const untitled = { uri: 'untitled:Untitled-1', range: range(0, 0, 1, 0) };
    assert.equal(hits.path(hit({ folder: '', location: untitled }), false), 'Untitled-1');
    assert.equal(hits.path(hit({ folder: '' }), false), 'retry.py');
    assert.equal(hits.path(hit({ folder: 'file:///work/sho' }), false), 'retry.py');
  });
});

describe('the lines of a hit', () => {
  it('have numbers and lose what all of them are indented by', () => {
    const lines = hits.lines(hit({ preview: '    a\n\n      b\n' }), 9);
    assert.deepEqual(
      lines.map(({ number, text }) => [number, text]),
      [
        [5, 'a'],
        [6, ''],
        [7, '  b'],
      ],
    );
  });

  it('are not more than asked for', () => {
    assert.equal(hits.lines(hit(), 2).length, 2);
  });

  it('say where the words of the query stand, in UTF-16 units', () => {
    const preview = '  /* 🎉 */ retry()\n  retry again\n';
    const matches = [range(5, 11, 5, 16), range(6, 0, 6, 7), range(9, 0, 9, 5)];
    const [first, second] = hits.lines(hit({ preview, matches }), 9);
    assert.equal(first?.text.slice(...(first.matches[0] ?? [])), 'retry');
    assert.deepEqual(second?.matches, [[0, 5]]);
  });

  it('share a match that goes over several lines', () => {
    const [first, second] = hits.lines(hit({ preview: 'ab\ncd\n', matches: [range(5, 1, 6, 1)] }), 9);
    assert.deepEqual([first?.matches, second?.matches], [[[1, 2]], [[0, 1]]]);
  });
});

describe('what an answer has not seen', () => {
  it('is said in words, and nothing where it has seen everything', () => {
    const complete = { complete: true, indexedFiles: 2000, totalFiles: 2000 };
    assert.equal(hits.shortcomings(complete), '');
    assert.equal(
      hits.shortcomings({ ...complete, complete: false, indexedFiles: 1200, degraded: 'by words alone' }),
      '1,200 of 2,000 files searched so far · by words alone',
    );
  });
});

it('answers are the same wherever their hits are in their files by now', () => {
  const moved = hit({ symbol: 'a', location: { ...hit().location, range: range(50, 0, 60, 0) } });
  assert.equal(hits.same([hit({ symbol: 'a' }), hit({ symbol: 'b' })], [hit({ symbol: 'b' }), moved]), true);
  assert.equal(hits.same([hit({ symbol: 'a' })], [hit({ symbol: 'b' })]), false);
  assert.equal(hits.same([hit()], []), false);
});

it('every kind has an icon, and so has one that is not known yet', () => {
  assert.equal(hits.icon(hit({ kind: 'method' })), 'symbol-method');
  assert.equal(hits.icon(hit({ kind: 'galaxy' })), 'symbol-misc');
  assert.equal(hits.icon(hit()), 'file-code');
});
