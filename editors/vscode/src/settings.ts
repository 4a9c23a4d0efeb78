/** Which settings the server is told. */

/** What `WorkspaceConfiguration.inspect` says of a setting. */
export interface Inspection {
  readonly globalValue?: unknown;
  readonly workspaceValue?: unknown;
  readonly workspaceFolderValue?: unknown;
}

/** Settings of the extension itself. The server would report them as unknown. */
export const OF_THE_EXTENSION: readonly string[] = [
  'path',
  'trace.server',
  'search.limit',
  'related.followCursor',
  'results.layout',
];

/**
 * Those of the server that the user has set. Defaults are left out: they would hide what `conexus.toml` says.
 */
export function forServer(
  names: readonly string[],
  inspect: (name: string) => Inspection | undefined,
): Record<string, unknown> {
  const given: Record<string, unknown> = {};
  for (const name of names) {
    if (!OF_THE_EXTENSION.includes(name)) {
      const found = inspect(name);
      const value = found?.workspaceFolderValue ?? found?.workspaceValue ?? found?.globalValue;
      if (value !== undefined) {
        given[name] = value;
      }
    }
  }
  return given;
}
