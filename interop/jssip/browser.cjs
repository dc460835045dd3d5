// A headless Chromium with pages whose phone is JsSIP. Commands come as lines of JSON, {id, page, name, arguments};
// answers and what the pages see go out the same way. Nothing is served: each page gets its text from here, whatever
// its origin.

const { createInterface } = require('node:readline');
const { chromium } = require('playwright-core');
const { buildSync } = require('esbuild');

const say = (line) => process.stdout.write(JSON.stringify(line) + '\n');

const FLAGS = [
  '--no-sandbox', // which root may not have
  '--use-fake-device-for-media-stream', // a microphone that beeps
  '--use-fake-ui-for-media-stream',
  '--autoplay-policy=no-user-gesture-required',
  '--disable-features=WebRtcHideLocalIpsWithMdns', // the other page knows no multicast DNS
];

function bundle() {
  const entry = { contents: 'window.JsSIP = require("jssip")', resolveDir: process.env.NODE_PATH };
  const built = buildSync({ stdin: entry, bundle: true, write: false, format: 'iife', logLevel: 'error' });
  return built.outputFiles[0].text;
}

async function open(context, phone, script, { origin }) {
  const page = await context.newPage();
  page.on('console', (line) => say({ console: line.text() }));
  page.on('pageerror', (error) => say({ console: error.message }));
  await page.exposeFunction('tell', say);
  const html = '<!doctype html><title>phone</title><audio id="sound" autoplay></audio>';
  await page.route(`${origin}/**`, (route) => route.fulfill({ contentType: 'text/html', body: html }));
  await page.goto(`${origin}/`);
  await page.addScriptTag({ content: script });
  await page.addScriptTag({ path: phone });
  return page;
}

async function main() {
  const script = bundle();
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', headless: true, args: FLAGS });
  // What a person would be asked for, as pages of the world's speak with a server on this machine.
  const context = await browser.newContext({ permissions: ['local-network-access', 'microphone'] });
  const pages = new Map();
  say({ ready: browser.version() });
  for await (const line of createInterface({ input: process.stdin })) {
    const { id, page, name, ...given } = JSON.parse(line);
    const work =
      name === 'open'
        ? open(context, `${__dirname}/page.js`, script, given).then((made) => void pages.set(page, made))
        : pages.get(page).evaluate(([name, page, given]) => window.phone[name](given, page), [name, page, given]);
    work.then(
      (result) => say({ id, result: result ?? null }),
      (error) => say({ id, error: error.message }),
    );
  }
  await browser.close();
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
