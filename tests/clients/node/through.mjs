// Bytes through a proxy, for the programs that judge one: what a connection gives back, and whether there is one.
//
// Knows nothing of any client of Toxiproxy's.

import { connect } from 'node:net';

export const HELLO = '0123456789';

/** What of `data` comes back, up to the whole of it or the connection's end. */
export function echoed(listen, data = HELLO) {
  const [host, port] = listen.split(':');
  return new Promise((resolve, reject) => {
    let back = '';
    const stream = connect({ host, port: Number(port) }, () => stream.write(data));
    stream.on('data', (more) => {
      back += more;
      if (back.length >= data.length) stream.destroy();
    });
    stream.on('error', (error) => (error.code === 'ECONNRESET' ? stream.destroy() : reject(error)));
    stream.on('close', () => resolve(back));
  });
}

export async function refused(listen) {
  try {
    await echoed(listen, '');
    return false;
  } catch (error) {
    return error.code === 'ECONNREFUSED';
  }
}
