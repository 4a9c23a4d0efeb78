/** What of this machine the search for the server looks at. */

import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { promisify } from 'node:util';
import { extensions, type Uri, workspace } from 'vscode';
import type { Circumstances, Machine } from './order';

/** The part that is used here of what the Python extension exports. */
interface PythonExtension {
  readonly environments: {
    getActiveEnvironmentPath(resource?: Uri): { readonly path: string };
    resolveEnvironment(path: {
      readonly path: string;
    }): Promise<{ readonly executable: { readonly uri?: Uri } } | undefined>;
  };
}

/** A program on a slow disk needs a while to start for the first time. */
const PATIENCE_MS = 15_000;

export function circumstances(): Circumstances {
  return {
    setting: workspace.getConfiguration('conexus').get('path', '').trim(),
    folders: (workspace.workspaceFolders ?? []).map((folder) => folder.uri.fsPath),
    home: homedir(),
    environment: process.env,
    windows: process.platform === 'win32',
    trusted: workspace.isTrusted,
  };
}

export const machine: Machine = { isProgram, interpreter, output };

async function isProgram(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return (await stat(file)).isFile();
  } catch {
    return false;
  }
}

async function interpreter(): Promise<string | undefined> {
  const python = extensions.getExtension<PythonExtension | undefined>('ms-python.python');
  const environments = (await python?.activate())?.environments;
  const path = environments?.getActiveEnvironmentPath(workspace.workspaceFolders?.[0]?.uri);
  return path && (await environments?.resolveEnvironment(path))?.executable.uri?.fsPath;
}

async function output(command: string, args: readonly string[]): Promise<string | undefined> {
  try {
    const running = promisify(execFile)(command, [...args], {
      cwd: homedir(),
      timeout: PATIENCE_MS,
      killSignal: 'SIGKILL',
    });
    running.child.stdin?.end(); // what would wait for words gets none
    return (await running).stdout;
  } catch {
    return undefined;
  }
}
