import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import type { Page } from 'playwright-core';
import { onTestFinished } from 'vitest';

/** Where a Chromium of the system is, if there is one; `CHROMIUM` names another. */
export const browser = [
  process.env['CHROMIUM'] ?? '',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
].find((path) => path !== '' && existsSync(path));

/** A page in a real browser, with the bundle of the client library as `window.agentwire`. Gone at the end of the test. */
export async function openPage(executablePath: string): Promise<Page> {
  const entry = fileURLToPath(new URL('../../shared/client/index.ts', import.meta.url));
  const bundle = await build({ entryPoints: [entry], bundle: true, format: 'esm', platform: 'browser', write: false });
  const html = `<!doctype html><script type="module">import * as agentwire from '/client.js'; window.agentwire = agentwire;</script>`;
  const server = createServer((request, response) => {
    const script = request.url === '/client.js';
    response.setHeader('content-type', script ? 'text/javascript' : 'text/html');
    response.end(script ? bundle.outputFiles[0]!.text : html);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  // Without a sandbox, which needs rights that the users of test machines often have not.
  const launched = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  onTestFinished(() => launched.close());
  const page = await launched.newPage();
  await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  await page.waitForFunction('window.agentwire !== undefined');
  return page;
}
