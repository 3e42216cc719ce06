// One JSON line for each program: what it saw, or at which step and why it stopped.
//
// Knows nothing of any service. Every program gets the name of what it uses (a table, a key, a queue, an object) as its
// argument and everything else from the environment variables of the documents.

import { readFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';

/** The longest that a program may take, in milliseconds; a client that hangs fails. */
const PATIENCE = 45_000;

/** Collects what a program saw; `step` names what it is about to do, for the line it prints when that fails. */
class Saw {
  constructor(client) {
    this.facts = { client };
    this.doing = 'start';
  }

  step(doing) {
    this.doing = doing;
  }

  note(facts) {
    Object.assign(this.facts, facts);
  }

  same(what, expected, found) {
    if (!isDeepStrictEqual(expected, found)) {
      throw new Error(`${what}: expected ${JSON.stringify(expected)}, found ${JSON.stringify(found)}`);
    }
  }
}

/** Some clients put the reason into `cause` or `errors` and leave the message empty. */
function chain(error) {
  const inner = error.errors ?? (error.cause ? [error.cause] : []);
  return [`${error.name}: ${error.message || error.code || ''}`, ...inner.map(chain)].join('; ');
}

/** Runs `body(saw, name, …)` and prints its line; exit code 0, 1 when anything went otherwise, 64 for bad usage. */
export async function program(packageName, body) {
  if (process.argv.length < 3) {
    console.error(`usage: ${process.argv[1]} NAME…`);
    process.exit(64);
  }
  const { version } = JSON.parse(await readFile(new URL(`node_modules/${packageName}/package.json`, import.meta.url)));
  const saw = new Saw(`${packageName} ${version}`);
  const say = (facts, code) => {
    // The exit waits for the line: standard output may be a pipe.
    process.stdout.write(`${JSON.stringify({ ...saw.facts, ...facts })}\n`, () => process.exit(code));
  };
  const fail = (error) => say({ failed: saw.doing, error: chain(error) }, 1);
  setTimeout(() => fail(new Error(`no answer within ${PATIENCE} ms`)), PATIENCE).unref();
  process.on('uncaughtException', fail);
  try {
    await body(saw, ...process.argv.slice(2));
    say({ ok: true }, 0);
  } catch (error) {
    fail(error);
  }
}
