/** The queries that were asked before, the latest first. */

const MOST = 20;

export function remember(history: readonly string[], query: string): readonly string[] {
  const asked = query.trim();
  return asked === '' ? history : [asked, ...history.filter((each) => each !== asked)].slice(0, MOST);
}

/** A selection as a query: one line, and not the whole of a long one. */
export function asQuery(selection: string): string {
  return selection.replaceAll(/\s+/g, ' ').trim().slice(0, 300).trimEnd();
}
