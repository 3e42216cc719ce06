// PostgreSQL as the documents use it, through pg: connect by DATABASE_URL, make a table, insert, select.
//
// Takes the table's name. Leaves nothing behind.

import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { program } from './saying.mjs';

async function connected() {
  const client = new pg.Client({ connectionString: process.env.DATABASE_URL, connectionTimeoutMillis: 10_000 });
  await client.connect();
  return client;
}

await program('pg', async (saw, table) => {
  saw.step('connect');
  const client = await connected();
  const { rows: [server] } = await client.query('SELECT current_database() AS database, version() AS version');
  saw.note({ server: server.version.split(' ')[1], database: server.database });

  saw.step('ask for the connection\'s TLS version');
  const { rows: [link] } = await client.query('SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()');
  saw.same('encrypted connection', true, link.ssl);
  saw.note({ tls: link.version });

  const name = client.escapeIdentifier(table);
  const state = randomUUID();
  saw.step('create the table');
  await client.query(`CREATE TABLE ${name} (id int PRIMARY KEY, state text NOT NULL)`);
  try {
    saw.step('insert');
    await client.query(`INSERT INTO ${name} VALUES (1, $1)`, [state]);

    saw.step('select on a second connection');
    const second = await connected();
    const { rows } = await second.query(`SELECT id, state FROM ${name}`);
    await second.end();
    saw.same('rows', [{ id: 1, state }], rows.map((row) => ({ ...row })));
    saw.note({ table, rows: rows.length });
  } finally {
    await client.query(`DROP TABLE ${name}`);
  }
  await client.end();
});
