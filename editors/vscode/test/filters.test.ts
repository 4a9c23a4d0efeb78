import assert from 'node:assert/strict';
import { describe as suite, it } from 'node:test';
import { describe, EVERYTHING, forServer, nextTests } from '../src/search/filters';

const PLACE = { root: 'file:///work/shop', path: 'src/lsp', label: 'src/lsp' };

suite('filters', () => {
  it('are none by default', () => {
    assert.deepEqual(forServer(EVERYTHING), {});
    assert.equal(describe(EVERYTHING), '');
  });

  it('are told to the server and to the user', () => {
    const choice = { languages: ['python', 'cpp'], place: PLACE, tests: 'exclude' as const };
    assert.deepEqual(forServer(choice), {
      languages: ['python', 'cpp'],
      folders: ['file:///work/shop'],
      include: ['/src/lsp/'],
      tests: 'exclude',
    });
    assert.equal(describe(choice), 'Python, C++ · in src/lsp · without tests');
  });

  it('of a whole workspace folder have no pattern', () => {
    assert.deepEqual(forServer({ ...EVERYTHING, place: { ...PLACE, path: '' } }), { folders: [PLACE.root] });
  });

  it('take a folder by its name, whatever is in it', () => {
    const { include } = forServer({ ...EVERYTHING, place: { ...PLACE, path: '#a/[b] *?!' } });
    assert.deepEqual(include, ['/\\#a/\\[b\\]\\ \\*\\?\\!/']);
  });

  it('of tests go round', () => {
    assert.deepEqual(
      [nextTests('include'), nextTests('exclude'), nextTests('only')],
      ['exclude', 'only', 'include'],
    );
  });
});
