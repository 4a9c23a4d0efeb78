/** Where the server is looked for, and in which order. Without `vscode` and without a disk, so that it can be tested. */

import * as path from 'node:path';

export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  /** Where it was found, for the log. */
  readonly found: string;
}

export interface Missing {
  /** A sentence for the user. */
  readonly problem: string;
  /** Whether installing Conexus would help. */
  readonly installable: boolean;
}

export interface Circumstances {
  /** The setting `conexus.path`; empty if it is not set. */
  readonly setting: string;
  readonly folders: readonly string[];
  readonly home: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly windows: boolean;
  /** In a folder that the user does not trust, no interpreter that may lie in it is started. */
  readonly trusted: boolean;
}

export interface Machine {
  isProgram(file: string): Promise<boolean>;
  /** The Python interpreter that the user selected, if there is one. */
  interpreter(): Promise<string | undefined>;
  hasConexus(interpreter: string): Promise<boolean>;
}

const SERVE = ['serve', '--stdio'];

export async function findServer(where: Circumstances, machine: Machine): Promise<Program | Missing> {
  if (where.setting !== '') {
    const command = expand(where.setting, where);
    if (!paths(where).isAbsolute(command) || !(await machine.isProgram(command))) {
      const problem = `The setting conexus.path is “${where.setting}”, and there is no such program.`;
      return { problem, installable: false };
    }
    return { command, args: SERVE, found: 'by the setting conexus.path' };
  }
  const installed = await findProgram('conexus', where, machine);
  if (installed !== undefined) {
    return { command: installed, args: SERVE, found: 'on the PATH' };
  }
  const interpreter = where.trusted ? await machine.interpreter() : undefined;
  if (interpreter !== undefined && (await machine.hasConexus(interpreter))) {
    // -P: the folder that the interpreter is started in must not shadow modules.
    return { command: interpreter, args: ['-P', '-m', 'conexus', ...SERVE], found: 'in the selected Python' };
  }
  return { problem: 'The Conexus server is not installed.', installable: true };
}

/** A program on the PATH, or where uv and pipx put theirs: they often are not on the PATH that an editor has. */
export async function findProgram(
  name: string,
  where: Circumstances,
  machine: Pick<Machine, 'isProgram'>,
): Promise<string | undefined> {
  const { environment } = where;
  const { PATH = environment.Path ?? '', UV_TOOL_BIN_DIR = '', PIPX_BIN_DIR = '' } = environment;
  const { delimiter } = paths(where);
  const home = paths(where).join(where.home, '.local', 'bin');
  const folders = [...PATH.split(delimiter), UV_TOOL_BIN_DIR, PIPX_BIN_DIR, home];
  for (const folder of folders) {
    // A relative folder would be one of the workspace.
    if (paths(where).isAbsolute(folder)) {
      const file = paths(where).join(folder, where.windows ? `${name}.exe` : name);
      if (await machine.isProgram(file)) {
        return file;
      }
    }
  }
  return undefined;
}

function expand(setting: string, where: Circumstances): string {
  const folder = where.folders[0];
  const inFolder = folder === undefined ? setting : setting.replaceAll('${workspaceFolder}', folder);
  return /^~[/\\]/.test(inFolder) ? paths(where).join(where.home, inFolder.slice(2)) : inFolder;
}

function paths(where: Circumstances): path.PlatformPath {
  return where.windows ? path.win32 : path.posix;
}
