// Redis as the documents use it, through ioredis: connect by REDIS_URL, set a cached value that expires, get it.
//
// Takes the key, prefix included: `engine:cache:key`. Leaves nothing behind.

import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { program } from './saying.mjs';

const LIFETIME = 60;

/** Without a retry: a refused certificate is an error and not a reason to try again for ever. */
async function connected() {
  const client = new Redis(process.env.REDIS_URL, {
    connectTimeout: 10_000,
    commandTimeout: 10_000,
    lazyConnect: true,
    maxRetriesPerRequest: 0,
    retryStrategy: null,
  });
  let reason;
  client.on('error', (error) => { reason = error; });
  await client.connect().catch((error) => { throw reason ?? error; });
  return client;
}

await program('ioredis', async (saw, key) => {
  saw.step('connect');
  saw.same('scheme', true, process.env.REDIS_URL.startsWith('rediss://'));
  const client = await connected();
  saw.same('reply to PING', 'PONG', await client.ping());

  const value = randomUUID();
  saw.step('set');
  saw.same('reply to SET', 'OK', await client.set(key, value, 'EX', LIFETIME));
  try {
    saw.step('get on a second connection');
    const second = await connected();
    saw.same('value', value, await second.get(key));
    const left = await second.ttl(key);
    second.disconnect();
    saw.same(`time to live of at most ${LIFETIME} s`, true, left > 0 && left <= LIFETIME);
    saw.note({ key, bytes: value.length });
  } finally {
    saw.same('keys deleted', 1, await client.del(key));
  }
  client.disconnect();
});
