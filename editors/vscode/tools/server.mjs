// node tools/server.mjs: the server's wheel in server/, which the extension installs where there is no server.
// It comes with the extension so that both are of one version, and so that no package of a like name is installed.
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';

const ROOT = '../..';
const builders = [
    [
        process.env.PYTHON ?? 'python3',
        '-m',
        'pip',
        'wheel',
        '--quiet',
        '--no-deps',
        '--wheel-dir',
        'server',
        ROOT,
    ],
    ['uv', 'build', '--quiet', '--wheel', '--out-dir', 'server', ROOT],
];

rmSync('server', { recursive: true, force: true });
const problems = [];
const built = builders.some(([program, ...args]) => {
    const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
    problems.push(`${program}: ${error?.message ?? stderr}`);
    return status === 0;
});
if (!built) {
    console.error(`The server's wheel cannot be built, neither by pip nor by uv.\n${problems.join('\n')}`);
    process.exitCode = 1;
}
