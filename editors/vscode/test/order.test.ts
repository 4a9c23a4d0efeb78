import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Circumstances, findServer, type Machine } from '../src/launch/order';

const USER: Circumstances = {
  setting: '',
  folders: ['/work/shop'],
  home: '/home/ada',
  environment: { PATH: '/usr/bin:/opt/bin' },
  windows: false,
  trusted: true,
};

function machine(programs: readonly string[], python?: { path: string; conexus: boolean }): Machine {
  return {
    isProgram: (file) => Promise.resolve(programs.includes(file)),
    interpreter: () => Promise.resolve(python?.path),
    hasConexus: (path) => Promise.resolve(path === python?.path && python.conexus),
  };
}

async function command(where: Circumstances, on: Machine): Promise<string> {
  const found = await findServer(where, on);
  return 'problem' in found ? found.problem : [found.command, ...found.args].join(' ');
}

const PYTHON = { path: '/work/shop/.venv/bin/python', conexus: true };

describe('the server is', () => {
  it('what the setting names, before anything else', async () => {
    const where = { ...USER, setting: '/opt/conexus' };
    assert.equal(
      await command(where, machine(['/opt/conexus', '/usr/bin/conexus'])),
      '/opt/conexus serve --stdio',
    );
  });

  it('nothing else if the setting names nothing', async () => {
    const where = { ...USER, setting: '/opt/conexus' };
    const found = await findServer(where, machine(['/usr/bin/conexus'], PYTHON));
    assert.deepEqual(found, {
      problem: 'The setting conexus.path is “/opt/conexus”, and there is no such program.',
      installable: false,
    });
  });

  it('found by a setting that begins at home or in the workspace, and by no other relative one', async () => {
    const programs = machine(['/home/ada/bin/conexus', '/work/shop/tools/conexus', 'tools/conexus']);
    const of = (setting: string): Promise<string> => command({ ...USER, setting }, programs);
    assert.equal(await of('~/bin/conexus'), '/home/ada/bin/conexus serve --stdio');
    assert.equal(await of('${workspaceFolder}/tools/conexus'), '/work/shop/tools/conexus serve --stdio');
    assert.match(await of('tools/conexus'), /no such program/);
  });

  it('the first on the PATH', async () => {
    assert.equal(
      await command(USER, machine(['/opt/bin/conexus', '/home/ada/.local/bin/conexus'], PYTHON)),
      '/opt/bin/conexus serve --stdio',
    );
  });

  it('where uv and pipx put it, although that is not on the PATH', async () => {
    const there = machine(['/home/ada/.local/bin/conexus'], PYTHON);
    assert.equal(await command(USER, there), '/home/ada/.local/bin/conexus serve --stdio');
    const elsewhere = { ...USER, environment: { UV_TOOL_BIN_DIR: '/tools' } };
    assert.equal(await command(elsewhere, machine(['/tools/conexus'])), '/tools/conexus serve --stdio');
  });

  it('never in a folder of the PATH that is relative', async () => {
    const where = { ...USER, environment: { PATH: '.:bin:' } };
    assert.match(await command(where, machine(['conexus', './conexus', 'bin/conexus'])), /not installed/);
  });

  it('in the selected Python, if it has the module', async () => {
    assert.equal(await command(USER, machine([], PYTHON)), `${PYTHON.path} -P -m conexus serve --stdio`);
    assert.match(await command(USER, machine([], { ...PYTHON, conexus: false })), /not installed/);
  });

  it('not in the selected Python of a folder that is not trusted', async () => {
    assert.match(await command({ ...USER, trusted: false }, machine([], PYTHON)), /not installed/);
  });

  it('called conexus.exe on Windows', async () => {
    const where = {
      ...USER,
      windows: true,
      home: 'C:\\Users\\ada',
      environment: { Path: 'C:\\bin;D:\\bin' },
    };
    assert.equal(
      await command(where, machine(['D:\\bin\\conexus.exe'])),
      'D:\\bin\\conexus.exe serve --stdio',
    );
    const home = machine(['C:\\Users\\ada\\.local\\bin\\conexus.exe']);
    assert.equal(await command(where, home), 'C:\\Users\\ada\\.local\\bin\\conexus.exe serve --stdio');
  });
});
