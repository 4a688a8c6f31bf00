import { isBuiltin } from 'node:module';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';

/** Bundles a Worker written in TypeScript, with the npm packages it imports, into one ES module for workerd. */
export async function bundleWorker(entry: URL): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(entry)],
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2023',
    conditions: ['workerd', 'worker'],
    // Not the project's `paths`: packages come from where a user's bundler finds them, this one from dist.
    tsconfigRaw: {},
    external: ['node:*', 'cloudflare:*', 'pg-native'],
    plugins: [builtinsOfNode],
    logLevel: 'silent',
  });
  const [file] = outputFiles;
  if (file === undefined) throw new Error(`esbuild wrote nothing for ${entry.href}.`);
  return file.text;
}

/**
 * `require('events')` in a CommonJS package would be left for run time, where a Worker has no `require`.
 * So it becomes an import of `node:events`, which workerd has under `nodejs_compat`.
 */
const builtinsOfNode: Plugin = {
  name: 'builtins-of-node',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(node:)?[a-z_/]+$/ }, ({ path, kind }) => {
      if (kind !== 'require-call' || !isBuiltin(path)) return undefined;
      return { path: path.replace(/^node:/, ''), namespace: 'builtins-of-node' };
    });
    onLoad({ filter: /.*/, namespace: 'builtins-of-node' }, ({ path }) => ({
      contents: `import builtin from 'node:${path}'; module.exports = builtin;`,
    }));
  },
};
