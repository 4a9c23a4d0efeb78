/** Where the server is looked for, and in which order. Without `vscode` and without a disk, so that it can be tested. */

import * as path from 'node:path';

export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  /** Where it was found, for the log. */
  readonly found: string;
  /** What has its name and is not it: clauses for the log. */
  readonly passedOver: readonly string[];
}

export interface Missing {
  /** A sentence for the user. */
  readonly problem: string;
  /** Whether installing Conexus would help. */
  readonly installable: boolean;
  readonly passedOver: readonly string[];
}

export interface Circumstances {
  /** The setting `conexus.path`; empty if it is not set. */
  readonly setting: string;
  readonly folders: readonly string[];
  readonly home: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly windows: boolean;
  /** In a folder that the user does not trust, no interpreter is started that may belong to the folder. */
  readonly trusted: boolean;
}

export interface Machine {
  isProgram(file: string): Promise<boolean>;
  /** The Python interpreter that the user selected, if there is one. */
  interpreter(): Promise<string | undefined>;
  /** What a program writes when it is run with these arguments; undefined if it fails, or takes too long. */
  output(command: string, args: readonly string[]): Promise<string | undefined>;
}

const SERVE = ['serve', '--stdio'];
// -P: the folder that the interpreter is started in must not shadow modules.
const AS_MODULE = ['-P', '-m', 'conexus'];

/** What the server says of itself. A program of another product has its name. */
const IDENTITY = /^conexus \S+ \(Conexus language server\)$/m;

export async function findServer(where: Circumstances, machine: Machine): Promise<Program | Missing> {
  if (where.setting !== '') {
    const command = expand(where.setting, where);
    if (!paths(where).isAbsolute(command) || !(await machine.isProgram(command))) {
      const problem = `The setting conexus.path is “${where.setting}”, and there is no such program.`;
      return { problem, installable: false, passedOver: [] };
    }
    if (!where.trusted && isInWorkspace(command, where)) {
      const problem = `The setting conexus.path is “${where.setting}”, a program of this folder, which is not trusted.`;
      return { problem, installable: false, passedOver: [] };
    }
    // The user's choice, a script of his own perhaps: what it is shows when it answers.
    return { command, args: SERVE, found: 'by the setting conexus.path', passedOver: [] };
  }
  const passedOver: string[] = [];
  for await (const command of programs('conexus', where, machine)) {
    const version = await machine.output(command, ['--version']);
    if (isOurs(version)) {
      return { command, args: SERVE, found: 'on the PATH', passedOver };
    }
    passedOver.push(`${command} ${whatElse(version)}`);
  }
  const interpreter = where.trusted ? await machine.interpreter() : undefined;
  if (interpreter !== undefined) {
    const version = await machine.output(interpreter, [...AS_MODULE, '--version']);
    if (isOurs(version)) {
      const args = [...AS_MODULE, ...SERVE];
      return { command: interpreter, args, found: 'in the selected Python', passedOver };
    }
    if (version !== undefined) {
      passedOver.push(`the module conexus of ${interpreter} ${whatElse(version)}`);
    }
  }
  const others = passedOver.length === 0 ? '' : `: ${passedOver.join('; ')}`;
  return { problem: `The Conexus server is not installed${others}.`, installable: true, passedOver };
}

function isOurs(version: string | undefined): boolean {
  return version !== undefined && IDENTITY.test(version);
}

function whatElse(version: string | undefined): string {
  return version === undefined
    ? 'does not say which program it is'
    : 'is another program of that name, not the server of this extension';
}

/** The first program of a name; see `programs`. */
export async function findProgram(
  name: string,
  where: Circumstances,
  machine: Pick<Machine, 'isProgram'>,
): Promise<string | undefined> {
  for await (const program of programs(name, where, machine)) {
    return program;
  }
  return undefined;
}

/** Programs on the PATH, and where uv and pipx put theirs: they often are not on the PATH that an editor has. */
async function* programs(
  name: string,
  where: Circumstances,
  machine: Pick<Machine, 'isProgram'>,
): AsyncGenerator<string> {
  const { environment } = where;
  const { PATH = environment.Path ?? '', UV_TOOL_BIN_DIR = '', PIPX_BIN_DIR = '' } = environment;
  const { delimiter } = paths(where);
  const home = paths(where).join(where.home, '.local', 'bin');
  // A relative folder would be one of the workspace, where anybody may have put a program of this name.
  const folders = [...PATH.split(delimiter), UV_TOOL_BIN_DIR, PIPX_BIN_DIR, home].filter(
    (folder) => paths(where).isAbsolute(folder) && !isInWorkspace(folder, where),
  );
  const files = folders.map((folder) => paths(where).join(folder, where.windows ? `${name}.exe` : name));
  for (const file of new Set(files)) {
    if (await machine.isProgram(file)) {
      yield file;
    }
  }
}

/** Whether a path is below a workspace folder. A folder that holds the home directory holds the user's own programs. */
function isInWorkspace(file: string, where: Circumstances): boolean {
  return where.folders.some((folder) => isBelow(file, folder, where) && !isBelow(where.home, folder, where));
}

function isBelow(file: string, folder: string, where: Circumstances): boolean {
  const from = paths(where).relative(folder, file);
  return !paths(where).isAbsolute(from) && !/^\.\.(?:[/\\]|$)/.test(from);
}

function expand(setting: string, where: Circumstances): string {
  const folder = where.folders[0];
  const inFolder = folder === undefined ? setting : setting.replaceAll('${workspaceFolder}', folder);
  return /^~[/\\]/.test(inFolder) ? paths(where).join(where.home, inFolder.slice(2)) : inFolder;
}

function paths(where: Circumstances): path.PlatformPath {
  return where.windows ? path.win32 : path.posix;
}
