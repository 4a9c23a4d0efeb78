/** What a search is restricted to: as the user sees it, and as the server is told. */

import type { Filters } from '../protocol';

export type Tests = NonNullable<Filters['tests']>;

export interface Place {
  /** URI of the workspace folder. */
  readonly root: string;
  /** Relative to it, with `/`; empty for the whole of it. */
  readonly path: string;
  /** What the user calls it. */
  readonly label: string;
}

export interface Choice {
  readonly languages: readonly string[];
  readonly place?: Place;
  readonly tests: Tests;
}

export const EVERYTHING: Choice = { languages: [], tests: 'include' };

export function forServer(choice: Choice): Filters {
  return {
    ...(choice.languages.length > 0 && { languages: choice.languages }),
    ...(choice.place !== undefined && { folders: [choice.place.root] }),
    ...(choice.place?.path && { include: [pattern(choice.place.path)] }),
    ...(choice.tests !== 'include' && { tests: choice.tests }),
  };
}

/** In words; empty if everything is searched. */
export function describe(choice: Choice): string {
  const tests = { include: '', exclude: 'without tests', only: 'only tests' }[choice.tests];
  const place = choice.place === undefined ? '' : `in ${choice.place.label}`;
  return [choice.languages.map(languageName).join(', '), place, tests]
    .filter((part) => part !== '')
    .join(' · ');
}

export function nextTests(tests: Tests): Tests {
  return ({ include: 'exclude', exclude: 'only', only: 'include' } as const)[tests];
}

export function languageName(id: string): string {
  return NAMES[id] ?? id.charAt(0).toUpperCase() + id.slice(1);
}

const NAMES: Readonly<Record<string, string>> = {
  cpp: 'C++',
  csharp: 'C#',
  javascript: 'JavaScript',
  php: 'PHP',
  tsx: 'TSX',
  typescript: 'TypeScript',
};

/** A pattern in the syntax of .gitignore for all that is below a folder. */
function pattern(folder: string): string {
  return `/${folder.replaceAll(/[\\*?[\]!# ]/g, '\\$&')}/`;
}
