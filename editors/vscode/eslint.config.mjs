import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

export default defineConfig(
    { ignores: ['dist/', '**/*.mjs'] },
    tseslint.configs.strictTypeChecked,
    tseslint.configs.stylisticTypeChecked,
    {
        languageOptions: { parserOptions: { projectService: true } },
        rules: {
            '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
            '@typescript-eslint/explicit-module-boundary-types': 'error',
            eqeqeq: 'error',
            'no-console': 'error',
        },
    },
    {
        // node:test's describe and it return promises that the runner awaits.
        files: ['test/**'],
        rules: { '@typescript-eslint/no-floating-promises': 'off' },
    },
    {
        // It has the names of VS Code's classes, and of most nothing else.
        files: ['test/vscode.ts'],
        rules: {
            '@typescript-eslint/explicit-module-boundary-types': 'off',
            '@typescript-eslint/no-extraneous-class': 'off',
        },
    },
);
