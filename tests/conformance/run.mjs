// Answers requests (JSON lines) from the Rust test: the senders' own packages sign and verify.
// See README.md for the requests.
import { isUtf8 } from 'node:buffer';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const FOLDER = join(import.meta.dirname, 'providers');
const TIME_LIMIT = 30_000; // milliseconds for a request

// Only answers go to standard output: what a package prints goes to standard error.
const write = process.stdout.write.bind(process.stdout);
process.stdout.write = process.stderr.write.bind(process.stderr);
const answer = (message) => write(`${JSON.stringify(message)}\n`);

// A package's stray promise or timer does not end the process.
for (const event of ['uncaughtException', 'unhandledRejection']) {
  process.on(event, (error) => console.error(event, error));
}

const list = () =>
  readdirSync(FOLDER)
    .filter((file) => file.endsWith('.mjs'))
    .map((file) => file.slice(0, -'.mjs'.length))
    .sort();

async function load(name) {
  if (!list().includes(name)) throw new Error(`no module for the provider ${name}`);
  return (await import(join(FOLDER, `${name}.mjs`))).default;
}

function installedVersion(name) {
  const folders = createRequire(import.meta.url).resolve.paths(name);
  const manifest = folders.map((folder) => join(folder, name, 'package.json')).find(existsSync);
  if (!manifest) throw new Error(`the package ${name} is not installed`);
  return JSON.parse(readFileSync(manifest, 'utf8')).version;
}

const lowerCase = (headers) =>
  Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), String(value)]));
const describeError = (error) => (error instanceof Error ? `${error.name}: ${error.message}` : String(error));

/** What a module is asked with; whatever a request leaves out is the module's own. */
function input(provider, request) {
  const body = request.body_base64 === undefined ? Buffer.from(provider.body ?? '') : Buffer.from(request.body_base64, 'base64');
  return {
    method: request.method ?? 'POST',
    url: request.url ?? 'https://hooks.example.com/in/conformance',
    body,
    secret: request.secret ?? provider.secret,
    now: request.now ?? Math.floor(Date.now() / 1000),
  };
}

const operations = {
  async list() {
    return { providers: list() };
  },

  async describe({ provider: name }) {
    const provider = await load(name);
    return {
      package: provider.package,
      version: installedVersion(provider.package),
      secret: provider.secret ?? null,
      options: provider.options ?? {},
      contentType: provider.contentType ?? null,
      body: provider.body ?? '',
      headers: lowerCase(provider.headers),
      canSign: typeof provider.sign === 'function',
      canVerify: typeof provider.verify === 'function',
      signs: provider.signs ?? null,
      keys: provider.keys ?? {},
      root: provider.root ?? null,
    };
  },

  async sign(request) {
    const provider = await load(request.provider);
    if (!provider.sign) throw new Error(`${provider.package} does not sign`);
    const asked = input(provider, request);
    const type = provider.contentType ? { 'content-type': provider.contentType } : {};
    const unsigned = { ...type, ...lowerCase(provider.headers), ...lowerCase(request.headers) };
    const body = isUtf8(asked.body) ? asked.body.toString() : asked.body;
    const signed = await provider.sign({ ...asked, body, headers: { ...unsigned } });
    return {
      method: signed.method ?? asked.method,
      url: signed.url ?? asked.url,
      headers: { ...unsigned, ...lowerCase(signed.headers) },
      body_base64: Buffer.from(signed.body ?? asked.body).toString('base64'),
    };
  },

  async verify(request) {
    const provider = await load(request.provider);
    if (!provider.verify) throw new Error(`${provider.package} does not verify`);
    try {
      const result = await provider.verify({ ...input(provider, request), headers: lowerCase(request.headers) });
      return result === true ? { ok: true } : { ok: false, error: `${provider.package} answered ${result}` };
    } catch (error) {
      return { ok: false, error: describeError(error) };
    }
  },
};

function inTime(work) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${TIME_LIMIT} ms`)), TIME_LIMIT);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

for await (const line of createInterface({ input: process.stdin })) {
  if (!line.trim()) continue;
  let id = null;
  try {
    const request = JSON.parse(line);
    id = request.id ?? null;
    if (!Object.hasOwn(operations, request.op)) throw new Error(`no operation ${request.op}`);
    answer({ id, ...(await inTime(operations[request.op](request))) });
  } catch (error) {
    answer({ id, error: describeError(error) });
  }
}
process.exit(0); // a package may have left a timer or a connection
