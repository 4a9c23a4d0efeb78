import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Circumstances, findProgram, findServer, type Machine } from '../src/launch/order';

const USER: Circumstances = {
  setting: '',
  folders: ['/work/shop'],
  home: '/home/ada',
  environment: { PATH: '/usr/bin:/opt/bin' },
  windows: false,
  trusted: true,
};

const OURS = 'conexus 0.1.0 (Conexus language server)\n';
const FOREIGN = 'conexus 7.87.1\n';

/** `others`: what programs write that are not ours; undefined: they fail, or write nothing for too long. */
function machine(
  programs: readonly string[],
  python?: { path: string; conexus: boolean },
  others: Readonly<Record<string, string | undefined>> = {},
): Machine {
  return {
    isProgram: (file) => Promise.resolve(programs.includes(file) || file in others),
    interpreter: () => Promise.resolve(python?.path),
    output: (command, args) => {
      const asked = command === python?.path ? '-P -m conexus --version' : '--version';
      assert.equal(args.join(' '), asked);
      const absent = command === python?.path && !python.conexus;
      return Promise.resolve(absent ? undefined : command in others ? others[command] : OURS);
    },
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
      passedOver: [],
    });
  });

  it('what the setting names, whatever that says of itself: it may be a script of the user', async () => {
    const where = { ...USER, setting: '/opt/start' };
    const found = await findServer(where, machine([], undefined, { '/opt/start': FOREIGN }));
    assert.equal('command' in found && found.command, '/opt/start');
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

  it('never in a folder of the PATH that is in the workspace, however it is written', async () => {
    const PATH = '/work/shop:/work/shop/bin:/work/./shop/../shop/bin:/work/shopping/bin';
    const where = { ...USER, environment: { PATH, UV_TOOL_BIN_DIR: '/work/shop/tools' } };
    const inside = ['/work/shop/conexus', '/work/shop/bin/conexus', '/work/shop/tools/conexus'];
    assert.match(await command(where, machine(inside)), /not installed/);
    assert.equal(await findProgram('uv', where, machine(['/work/shop/bin/uv'])), undefined);
    const beside = machine([...inside, '/work/shopping/bin/conexus']);
    assert.equal(await command(where, beside), '/work/shopping/bin/conexus serve --stdio');
  });

  it('never on Windows in a folder of the PATH that is in the workspace, in whatever case', async () => {
    const where = {
      ...USER,
      windows: true,
      folders: ['c:\\work\\shop'],
      home: 'C:\\Users\\ada',
      environment: { Path: 'C:\\Work\\Shop\\bin;D:\\bin' },
    };
    const there = machine(['C:\\Work\\Shop\\bin\\conexus.exe', 'D:\\bin\\conexus.exe']);
    assert.equal(await command(where, there), 'D:\\bin\\conexus.exe serve --stdio');
  });

  it('at home although the home directory is the workspace', async () => {
    const where = { ...USER, folders: ['/home/ada'] };
    const there = machine(['/home/ada/.local/bin/conexus']);
    assert.equal(await command(where, there), '/home/ada/.local/bin/conexus serve --stdio');
  });

  it('not what the setting names in a folder that is not trusted', async () => {
    const where = { ...USER, setting: '${workspaceFolder}/tools/conexus', trusted: false };
    const there = machine(['/work/shop/tools/conexus', '/opt/conexus']);
    assert.match(await command(where, there), /not trusted/);
    assert.equal(await command({ ...where, setting: '/opt/conexus' }, there), '/opt/conexus serve --stdio');
  });

  it('in the selected Python, if it has the module', async () => {
    assert.equal(await command(USER, machine([], PYTHON)), `${PYTHON.path} -P -m conexus serve --stdio`);
    assert.match(await command(USER, machine([], { ...PYTHON, conexus: false })), /not installed\.$/);
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

describe('a program of the same name that is another one', () => {
  it('is skipped and reported, and the first one that is ours is used', async () => {
    const others = { '/usr/bin/conexus': FOREIGN, '/opt/bin/conexus': undefined };
    const found = await findServer(USER, machine(['/home/ada/.local/bin/conexus'], undefined, others));
    assert.equal('command' in found && found.command, '/home/ada/.local/bin/conexus');
    assert.deepEqual(found.passedOver, [
      '/usr/bin/conexus is another program of that name, not the server of this extension',
      '/opt/bin/conexus does not say which program it is',
    ]);
  });

  it('is passed over for the selected Python', async () => {
    const on = machine([], PYTHON, { '/usr/bin/conexus': FOREIGN });
    assert.equal(await command(USER, on), `${PYTHON.path} -P -m conexus serve --stdio`);
  });

  it('alone is as good as none, and the user is told which file it is', async () => {
    const found = await findServer(USER, machine([], undefined, { '/opt/bin/conexus': FOREIGN }));
    assert.ok('problem' in found);
    assert.equal(found.installable, true);
    assert.equal(
      found.problem,
      'The Conexus server is not installed: /opt/bin/conexus is another program of that name, ' +
        'not the server of this extension.',
    );
  });

  it('can be a module of the selected Python', async () => {
    const found = await findServer(USER, machine([], PYTHON, { [PYTHON.path]: FOREIGN }));
    assert.match(
      'problem' in found ? found.problem : '',
      /the module conexus of \/work\/shop\/\.venv.* another/,
    );
  });

  it('is known by its whole answer', async () => {
    const ours = ['a warning\r\nconexus 2.0 (Conexus language server)\r\n', OURS];
    const foreign = [
      'conexus 0.1.0',
      'x conexus 1 (Conexus language server)',
      `${OURS.trim()}!`,
      'conexus  ()',
      '',
    ];
    for (const version of [...ours, ...foreign]) {
      const found = await findServer(USER, machine([], undefined, { '/usr/bin/conexus': version }));
      assert.equal('command' in found, ours.includes(version), version);
    }
  });

  it('is asked once, however often its folder is on the PATH', async () => {
    const where = { ...USER, environment: { PATH: '/usr/bin:/usr/bin' } };
    const found = await findServer(where, machine([], undefined, { '/usr/bin/conexus': FOREIGN }));
    assert.equal(found.passedOver.length, 1);
  });
});

it('a program that installs is the first of its name', async () => {
  assert.equal(await findProgram('uv', USER, machine(['/opt/bin/uv', '/usr/bin/uv'])), '/usr/bin/uv');
  assert.equal(await findProgram('uv', USER, machine([])), undefined);
});
