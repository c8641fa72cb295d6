import js from '@eslint/js';
import nx from '@nx/eslint-plugin';
import { importX } from 'eslint-plugin-import-x';
import jsonc from 'jsonc-eslint-parser';
import tseslint from 'typescript-eslint';

export default tseslint.config(
  {
    ignores: [
      '.cache/',
      '**/out/**',
      '**/dist/**',
      '**/node_modules/**',
      '**/.nx/**',
      '**/vitest.config.ts',
      'vitest.suite.ts',
    ],
  },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { '@nx': nx, 'import-x': importX },
    settings: { 'import-x/resolver': { node: { extensions: ['.ts', '.mjs', '.js'] } } },
    rules: {
      '@nx/enforce-module-boundaries': [
        'error',
        {
          enforceBuildableLibDependency: false,
          allow: [],
          depConstraints: [
            { sourceTag: 'type:domain', onlyDependOnLibsWithTags: [], bannedExternalImports: ['*'] },
            { sourceTag: 'type:lib', onlyDependOnLibsWithTags: ['type:domain', 'type:lib', 'type:testing'] },
            { sourceTag: 'type:testing', onlyDependOnLibsWithTags: ['type:domain', 'type:lib'] },
            { sourceTag: 'type:app', onlyDependOnLibsWithTags: ['type:domain', 'type:lib', 'type:testing'] },
            {
              sourceTag: 'type:e2e',
              onlyDependOnLibsWithTags: ['type:domain', 'type:lib', 'type:testing', 'type:app'],
            },
          ],
        },
      ],
      'import-x/no-cycle': ['error', { ignoreExternal: true }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/require-await': 'off',
    },
  },
  {
    files: ['**/*.ts'],
    ignores: ['**/*.test.ts', 'libs/testing/**', 'e2e/**', 'bench/**', '**/test/**', '**/model/**'],
    rules: {
      'no-restricted-imports': [
        'error',
        { paths: [{ name: '@sink/testing', message: 'Only tests import the testing library.' }] },
      ],
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'env', message: 'The environment is read in libs/config only.' },
      ],
    },
  },
  // The package.json of a project declares what its product code imports, and nothing else.
  {
    files: ['{apps,libs}/*/package.json', '{e2e,bench}/package.json'],
    languageOptions: { parser: jsonc },
    plugins: { '@nx': nx },
    rules: {
      '@nx/dependency-checks': [
        'error',
        {
          buildTargets: ['typecheck'],
          // The runner of the tests, at the root.
          ignoredDependencies: ['vitest'],
          ignoredFiles: [
            '{projectRoot}/src/**/*.{test,conformance,fixture}.ts',
            '{projectRoot}/src/**/test/**',
            '{projectRoot}/vitest.config.ts',
          ],
        },
      ],
    },
  },
  { files: ['libs/config/src/environment.ts'], rules: { 'no-restricted-properties': 'off' } },
  // The domain imports nothing; its tests import the test runner.
  { files: ['libs/domain/**/*.test.ts'], rules: { '@nx/enforce-module-boundaries': 'off' } },
  {
    files: ['**/*.mjs'],
    languageOptions: {
      globals: {
        process: 'readonly',
        console: 'readonly',
        URL: 'readonly',
        Buffer: 'readonly',
        setTimeout: 'readonly',
        setInterval: 'readonly',
        clearInterval: 'readonly',
        clearTimeout: 'readonly',
      },
    },
  },
);
