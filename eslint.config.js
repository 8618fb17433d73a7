import eslint from '@eslint/js'
import tseslint from 'typescript-eslint'

export default tseslint.config(
  // AssemblyScript is not TypeScript: its compiler checks it.
  { ignores: ['dist/**', 'build/**', 'node_modules/**', 'src/**/kernel/**'] },
  eslint.configs.recommended,
  ...tseslint.configs.strict,
  {
    rules: {
      'no-constant-condition': ['error', { checkLoops: false }],
      'no-control-regex': 'off',
      'no-console': 'off',
      'no-undef': 'off',
      eqeqeq: 'error',
      'prefer-const': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // A branded number or an index known by construction is asserted, not checked: see tsconfig.base.json.
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-extraneous-class': 'off',
      '@typescript-eslint/no-namespace': ['error', { allowDeclarations: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
    },
  },
)
