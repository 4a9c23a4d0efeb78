// node esbuild.mjs: the extension's bundle; with --tests: the unit tests' too; with --watch: again at every change.
import { readdirSync } from 'node:fs';
import * as esbuild from 'esbuild';

const common = {
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    logLevel: 'warning',
};

const extension = {
    ...common,
    entryPoints: ['src/extension.ts'],
    outfile: 'dist/extension.js',
    external: ['vscode'],
    minify: true,
    mainFields: ['module', 'main'],
};

// VS Code is not here: a stand-in that notes what is shown takes its place.
const tests = {
    ...common,
    alias: { vscode: './test/vscode.ts' },
    entryPoints: readdirSync('test')
        .filter((name) => name.endsWith('.test.ts'))
        .map((name) => `test/${name}`),
    outdir: 'dist/test',
    sourcemap: 'inline',
};

if (process.argv.includes('--watch')) {
    await (await esbuild.context({ ...extension, minify: false, sourcemap: 'inline' })).watch();
} else {
    await esbuild.build(process.argv.includes('--tests') ? tests : extension);
}
