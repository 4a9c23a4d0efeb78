/** Installs the server with what is there for it, in a terminal that the user sees. */

import { readdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import {
  commands,
  env,
  ProcessExecution,
  type Task,
  Task as NewTask,
  TaskRevealKind,
  TaskScope,
  tasks,
  Uri,
} from 'vscode';
import { showWarning } from '../messages';
import { Problem } from '../problems';
import { INSTALLERS } from './installers';
import { circumstances, machine } from './machine';
import { findProgram } from './order';

const HELP = 'https://docs.astral.sh/uv/getting-started/installation/';

/** `folder`: where the server's wheel is that came with the extension. */
export class Installation {
  constructor(private readonly folder: string) {}

  /** Say that the server is missing and offer to install it. Whether it was installed. */
  async offer(problem: string): Promise<boolean> {
    const task = await this.task();
    const install = task === undefined ? 'Get uv' : `Install with ${task.source}`;
    const setPath = 'Set Path';
    const words =
      task === undefined
        ? `${problem} It is installed with uv or pipx, and neither of them was found.`
        : problem;
    const chosen = await showWarning(`${words} Conexus cannot search without it.`, install, setPath);
    if (chosen === setPath) {
      await commands.executeCommand('workbench.action.openSettings', 'conexus.path');
    } else if (chosen === install) {
      if (task === undefined) {
        await env.openExternal(Uri.parse(HELP));
      } else {
        return run(task);
      }
    }
    return false;
  }

  /** Whether it was installed. */
  async install(): Promise<boolean> {
    const task = await this.task();
    return task === undefined ? this.offer('The Conexus server is not installed.') : run(task);
  }

  private async task(): Promise<Task | undefined> {
    for (const { name, args } of INSTALLERS) {
      const program = await findProgram(name, circumstances(), machine);
      if (program !== undefined) {
        // Not in the workspace, whose files may configure the installer.
        const execution = new ProcessExecution(program, [...args, await this.wheel()], { cwd: homedir() });
        const task = new NewTask(
          { type: 'conexus' },
          TaskScope.Workspace,
          'Install Conexus',
          name,
          execution,
        );
        task.presentationOptions = { reveal: TaskRevealKind.Always };
        return task;
      }
    }
    return undefined;
  }

  private async wheel(): Promise<string> {
    const wheel = (await readdir(this.folder)).find((name) => name.endsWith('.whl'));
    if (wheel === undefined) {
      throw new Problem('This build of the extension does not contain the server.');
    }
    return join(this.folder, wheel);
  }
}

async function run(task: Task): Promise<boolean> {
  const execution = await tasks.executeTask(task);
  const code = await new Promise<number | undefined>((resolve) => {
    const listener = tasks.onDidEndTaskProcess((event) => {
      if (event.execution === execution) {
        listener.dispose();
        resolve(event.exitCode);
      }
    });
  });
  if (code !== 0) {
    throw new Problem('The installation failed; its terminal says why.');
  }
  return true;
}
