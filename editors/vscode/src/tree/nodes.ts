/** Hits as rows of a tree. Rows are made once for an answer and never move. */

import * as hits from '../hit';
import type { Hit } from '../protocol';

/** A hit that moves with the text when the user edits; see `drift`. Every row of it shows where it is now. */
export interface LiveHit {
  hit: Hit;
}

export interface Group {
  readonly type: 'group';
  readonly id: string;
  readonly label: string;
  readonly description: string;
  /** Of a file. */
  readonly uri?: string;
  readonly children: HitRow[];
}

export interface HitRow {
  readonly type: 'hit';
  readonly id: string;
  readonly parent?: Group;
  readonly live: LiveHit;
}

export interface LineRow {
  readonly type: 'line';
  readonly id: string;
  readonly parent: HitRow;
  /** How far below the hit's first line. */
  readonly offset: number;
  readonly line: hits.Line;
}

export type Row = Group | HitRow | LineRow;

/** Maximum number of lines of a hit that are shown below it. */
const LINES = 12;

export function live(found: readonly Hit[]): LiveHit[] {
  return found.map((hit) => ({ hit }));
}

export function flat(found: readonly LiveHit[]): HitRow[] {
  return found.map((each, index) => ({ type: 'hit', id: `${index}`, live: each }));
}

/** Files in the order of their best hits; hits within them as the server ranks them. */
export function byFile(found: readonly LiveHit[], severalFolders: boolean): Group[] {
  return grouped(
    found,
    ({ hit }) => hit.location.uri,
    (uri, [first]) => {
      const [, folder = '', name = ''] = /^(?:(.*)\/)?(.*)$/.exec(hits.path(first.hit, severalFolders)) ?? [];
      return { label: name, description: folder, uri };
    },
  );
}

/** Relations in an order of their own, so that a group is always found at the same place. */
export function byRelation(found: readonly LiveHit[]): Group[] {
  const order = Object.keys(RELATIONS);
  const place = (relation: string): number =>
    order.includes(relation) ? order.indexOf(relation) : order.length;
  const relation = ({ hit }: LiveHit): string => hit.relation ?? '';
  const sorted = [...found].sort((a, b) => place(relation(a)) - place(relation(b)));
  return grouped(sorted, relation, (name, members) => ({
    label: RELATIONS[name] ?? name.charAt(0).toUpperCase() + name.slice(1),
    description: `${members.length}`,
  }));
}

export function lines(row: HitRow): LineRow[] {
  return hits.lines(row.live.hit, LINES).map((line, offset) => ({
    type: 'line',
    id: `${row.id}/${offset}`,
    parent: row,
    offset,
    line,
  }));
}

export function hitsOf(rows: readonly Row[]): HitRow[] {
  return rows.flatMap((row) => (row.type === 'group' ? row.children : row.type === 'hit' ? [row] : []));
}

const RELATIONS: Readonly<Record<string, string>> = {
  definition: 'Definitions',
  caller: 'Callers',
  callee: 'Calls',
  test: 'Tests',
  tested: 'Tested by This',
  sibling: 'Siblings',
  similar: 'Similar',
};

function grouped(
  found: readonly LiveHit[],
  keyOf: (each: LiveHit) => string,
  describe: (
    key: string,
    members: readonly [LiveHit, ...LiveHit[]],
  ) => Pick<Group, 'label' | 'description' | 'uri'>,
): Group[] {
  const groups = new Map<string, [LiveHit, ...LiveHit[]]>();
  for (const each of found) {
    const members = groups.get(keyOf(each));
    if (members === undefined) {
      groups.set(keyOf(each), [each]);
    } else {
      members.push(each);
    }
  }
  return [...groups].map(([key, members]) => {
    const group: Group = { type: 'group', id: key, children: [], ...describe(key, members) };
    const rows = members.map((each, index) => ({
      type: 'hit' as const,
      id: `${key}#${index}`,
      parent: group,
      live: each,
    }));
    group.children.push(...rows);
    return group;
  });
}
