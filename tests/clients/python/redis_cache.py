"""Redis as the documents use it, through redis-py: connect by REDIS_URL, set a cached value that expires, get it.

Takes the key, prefix included: `engine:cache:key`. Leaves nothing behind.
"""

import os
import uuid

import redis

from saying import program

LIFETIME = 60


def body(saw, key):
    saw.step("connect")
    url = os.environ["REDIS_URL"]
    saw.same("scheme", True, url.startswith("rediss://"))
    with redis.Redis.from_url(url, socket_timeout=10, socket_connect_timeout=10) as client:
        saw.same("reply to PING", True, client.ping())

        value = str(uuid.uuid4()).encode()
        saw.step("set")
        saw.same("reply to SET", True, client.set(key, value, ex=LIFETIME))
        try:
            saw.step("get on a second connection")
            with redis.Redis.from_url(url, socket_timeout=10, socket_connect_timeout=10) as second:
                saw.same("value", value, second.get(key))
                left = second.ttl(key)
            saw.same(f"time to live of at most {LIFETIME} s", True, 0 < left <= LIFETIME)
            saw.note(key=key, bytes=len(value))
        finally:
            saw.same("keys deleted", 1, client.delete(key))


program("redis-py " + redis.__version__, body)
