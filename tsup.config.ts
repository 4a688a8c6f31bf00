import { decode, encode } from '@jridgewell/sourcemap-codec';
import { defineConfig, type Options } from 'tsup';

// One entry for each subpath export; shared code goes into chunks, so that an error or a type is the same
// object whichever subpath it came from.
const config: Options = {
  entry: {
    index: 'src/index.ts',
    postgres: 'src/postgres/index.ts',
    d1: 'src/d1/index.ts',
    memory: 'src/memory/index.ts',
    node: 'src/node/index.ts',
    report: 'src/report/index.ts',
    testing: 'src/testing/index.ts',
  },
  format: ['esm'],
  target: 'es2024',
  platform: 'neutral',
  // `node:` is what tells Deno and bundlers that a module is Node's.
  removeNodeProtocol: false,
  external: [/^node:/],
  dts: {
    // A program whose own libraries know no AsyncDisposable can use the package all the same.
    banner: '/// <reference lib="esnext.disposable" />',
    compilerOptions: {
      isolatedDeclarations: false,
      stripInternal: true,
      paths: {},
      allowImportingTsExtensions: true,
    },
  },
  splitting: true,
  sourcemap: true,
  clean: true,
  // Shorter code for the same: names and lines stay as they are.
  esbuildOptions(options) {
    options.minifySyntax = true;
  },
  plugins: [
    {
      name: 'module-names',
      // esbuild writes a module's name before its code; the source map tells it as well. Lines keep their numbers.
      renderChunk: (code) => ({ code: code.replaceAll(/^\/\/ src\/\S+\.ts$/gm, '') }),
    },
    {
      name: 'lines-of-sources',
      // The code is not minified, so maps say the line that each piece comes from, and not every column: an eighth of the package.
      renderChunk(code, chunk) {
        const map: unknown = typeof chunk.map === 'string' ? JSON.parse(chunk.map) : chunk.map;
        chunk.map = linesOf(map as NonNullable<Exclude<typeof chunk.map, string>>);
        return { code };
      },
    },
  ],
};

/** A source map with a place where a line of the code begins, and where the line of the source is another. */
function linesOf<Map extends { readonly mappings: string }>(map: Map): Map {
  const lines = decode(map.mappings).map((places) =>
    places.filter(([, source, line], index) => {
      const [, sourceBefore, lineBefore] = places[index - 1] ?? [];
      return source !== sourceBefore || line !== lineBefore;
    }),
  );
  return { ...map, mappings: encode(lines) };
}

const exported: ReturnType<typeof defineConfig> = defineConfig(config);
export default exported;
