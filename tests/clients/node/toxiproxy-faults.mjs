// The fault proxy through toxiproxy-node-client, as its README uses it: create, add every toxic, update, toggle, reset.
//
// Takes the upstream's address; the API is at TOXIPROXY_URL.

import { Toxiproxy } from 'toxiproxy-node-client';
import { program } from './saying.mjs';
import { HELLO, echoed, refused } from './through.mjs';

/** Each toxic with what comes back of ten bytes while it is there. */
const TOXICS = {
  latency: [{ latency: 20, jitter: 5 }, HELLO],
  bandwidth: [{ rate: 1000 }, HELLO],
  slow_close: [{ delay: 20 }, HELLO],
  slicer: [{ average_size: 4, size_variation: 1, delay: 10 }, HELLO],
  limit_data: [{ bytes: 3 }, HELLO.slice(0, 3)],
  timeout: [{ timeout: 20 }, ''],
  reset_peer: [{ timeout: 0 }, ''],
};

await program('toxiproxy-node-client', async (saw, upstream) => {
  const toxiproxy = new Toxiproxy(process.env.TOXIPROXY_URL);
  saw.step('find the server');
  saw.note({ version: await toxiproxy.getVersion() });

  saw.step('create');
  const proxy = await toxiproxy.createProxy({ name: 'echo', listen: '127.0.0.1:0', upstream });
  saw.same('proxies', ['echo'], Object.keys(await toxiproxy.getAll()));
  saw.same('bytes', HELLO, await echoed(proxy.listen));
  const taken = await toxiproxy.createProxy(proxy.toJson()).catch((error) => error.message);
  saw.same('a taken name', 'Request failed with status code 409', taken);

  for (const [type, [attributes, expected]] of Object.entries(TOXICS)) {
    saw.step(`add ${type}`);
    const toxic = await proxy.addToxic({ type, attributes });
    saw.same('name', `${type}_downstream`, toxic.name);
    saw.same('attributes', attributes, (await proxy.getToxic(toxic.name)).attributes);
    saw.same('bytes', expected, await echoed(proxy.listen));
    await toxic.remove();
    saw.same('bytes without it', HELLO, await echoed(proxy.listen));
  }

  saw.step('update a toxic');
  const toxic = await proxy.addToxic({ type: 'limit_data', stream: 'downstream', toxicity: 1, attributes: { bytes: 4 } });
  saw.same('bytes', HELLO.slice(0, 4), await echoed(proxy.listen));
  const updated = await toxic.update({ attributes: { bytes: 7 } });
  saw.same('attributes', { bytes: 7 }, updated.attributes);
  saw.same('bytes', HELLO.slice(0, 7), await echoed(proxy.listen));

  saw.step('toggle');
  const down = await proxy.update({ enabled: false });
  saw.same('enabled', false, down.enabled);
  saw.same('refused', true, await refused(proxy.listen));

  saw.step('reset');
  await toxiproxy.reset();
  saw.same('enabled', true, (await toxiproxy.get('echo')).enabled);
  saw.same('bytes', HELLO, await echoed(proxy.listen));

  saw.step('populate');
  const list = ['one', 'two'].map((name) => ({ name, listen: '127.0.0.1:0', upstream }));
  const made = await toxiproxy.populate(list);
  saw.same('populated', ['one', 'two'], Object.keys(made));
  saw.same('bytes', HELLO, await echoed(made.two.listen));

  saw.step('remove');
  for (const each of Object.values(await toxiproxy.getAll())) await each.remove();
  saw.same('proxies', {}, await toxiproxy.getAll());
  saw.same('refused', true, await refused(proxy.listen));
  saw.note({ toxics: Object.keys(TOXICS) });
});
