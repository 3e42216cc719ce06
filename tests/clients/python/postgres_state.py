"""PostgreSQL as the documents use it, through psycopg: connect by DATABASE_URL, make a table, insert, select.

Takes the table's name. Leaves nothing behind.
"""

import os
import uuid

import psycopg
from psycopg import sql

from saying import program


def body(saw, table):
    saw.step("connect")
    with psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=10) as connection:
        saw.note(server=connection.info.parameter_status("server_version"), database=connection.info.dbname)

        saw.step("ask for the connection's TLS version")
        query = "SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        encrypted, version = connection.execute(query).fetchone()
        saw.same("encrypted connection", True, encrypted)
        saw.note(tls=version)

        name, state = sql.Identifier(table), str(uuid.uuid4())
        saw.step("create the table")
        connection.execute(sql.SQL("CREATE TABLE {} (id int PRIMARY KEY, state text NOT NULL)").format(name))
        connection.commit()
        try:
            saw.step("insert")
            connection.execute(sql.SQL("INSERT INTO {} VALUES (1, %s)").format(name), (state,))
            connection.commit()

            saw.step("select on a second connection")
            with psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=10) as second:
                rows = second.execute(sql.SQL("SELECT id, state FROM {}").format(name)).fetchall()
            saw.same("rows", [(1, state)], rows)
            saw.note(table=table, rows=len(rows))
        finally:
            connection.rollback()
            connection.execute(sql.SQL("DROP TABLE {}").format(name))


program("psycopg " + psycopg.__version__, body)
