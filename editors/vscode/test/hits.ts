/** Hits for tests. */

import type { Hit } from '../src/protocol';

export function range(
  line: number,
  character: number,
  endLine: number,
  endCharacter: number,
): Hit['location']['range'] {
  return { start: { line, character }, end: { line: endLine, character: endCharacter } };
}

export function hit(given: Partial<Hit> = {}): Hit {
  return {
    location: { uri: 'file:///work/shop/src/retry.py', range: range(5, 0, 8, 0) },
    folder: 'file:///work/shop',
    language: 'python',
    score: 0.9,
    reasons: ['meaning', 'words: retry'],
    preview: 'def retry(action):\n    """Try again."""\n    return action()\n',
    ...given,
  };
}
