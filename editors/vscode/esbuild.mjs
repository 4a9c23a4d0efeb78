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

// No `external: ['vscode']` here: a module that is unit-tested must do without it.
const tests = {
    ...common,
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
