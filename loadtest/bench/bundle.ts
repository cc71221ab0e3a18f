import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const entry = fileURLToPath(new URL('../../dist/shared/client/index.js', import.meta.url));

/**
 * The client library as a page would load it: one file, minified. The bundler is the one that vitest brings along, and is
 * native code: only what needs it loads it.
 */
export async function bundledKilobytes(): Promise<{ plain: number; gzip: number }> {
  const { build } = await import('rolldown');
  const { output } = await build({
    input: entry,
    platform: 'browser',
    write: false,
    output: { format: 'esm', minify: true },
  });
  const [{ code }] = output;
  return { plain: Buffer.byteLength(code) / 1000, gzip: gzipSync(code).length / 1000 };
}
