/** Which program can install the server, and how it is told to. */

export interface Installer {
  readonly name: string;
  readonly args: readonly string[];
}

/** The best first. Both keep Conexus in an environment of its own. */
export const INSTALLERS: readonly Installer[] = [
  { name: 'uv', args: ['tool', 'install'] },
  { name: 'pipx', args: ['install'] },
];
