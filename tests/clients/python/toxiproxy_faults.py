"""The fault proxy through toxiproxy-python, as its README uses it: create, add every toxic, toggle, reset, destroy.

Takes the upstream's address; the API is at TOXIPROXY_URL.
"""

import importlib.metadata
import os
import urllib.parse

from saying import program
from through import HELLO, echoed, refused
from toxiproxy import Toxiproxy

# Each toxic with what comes back of ten bytes while it is there.
TOXICS = {
    "latency": ({"latency": 20, "jitter": 5}, HELLO),
    "bandwidth": ({"rate": 1000}, HELLO),
    "slow_close": ({"delay": 20}, HELLO),
    "slicer": ({"average_size": 4, "size_variation": 1, "delay": 10}, HELLO),
    "limit_data": ({"bytes": 3}, HELLO[:3]),
    "timeout": ({"timeout": 20}, b""),
    "reset_peer": ({"timeout": 0}, b""),
}


def body(saw, upstream):
    url = urllib.parse.urlsplit(os.environ["TOXIPROXY_URL"])
    server = Toxiproxy()
    server.update_api_consumer(url.hostname, url.port)
    saw.step("find the server")
    saw.same("running", True, server.running())
    saw.note(version=server.version().decode())

    saw.step("create")
    proxy = server.create(upstream=upstream, name="echo")
    saw.same("proxies", ["echo"], list(server.proxies()))
    saw.same("bytes", HELLO, echoed(proxy.listen))

    for kind, (attributes, expected) in TOXICS.items():
        saw.step(f"add {kind}")
        proxy.add_toxic(type=kind, attributes=attributes)
        toxic = proxy.get_toxic(f"{kind}_downstream")
        saw.same("attributes", attributes, toxic.attributes)
        saw.same("bytes", expected, echoed(proxy.listen))
        proxy.destroy_toxic(toxic.name)
        saw.same("toxics", {}, proxy.toxics())
        saw.same("bytes without it", HELLO, echoed(proxy.listen))

    saw.step("take it down")
    with proxy.down():
        saw.same("refused", True, refused(proxy.listen))
    saw.same("bytes", HELLO, echoed(proxy.listen))

    saw.step("reset")
    proxy.add_toxic(type="limit_data", stream="upstream", toxicity=1.0, attributes={"bytes": 0})
    proxy.disable()
    server.reset()
    saw.same("toxics", {}, proxy.toxics())
    saw.same("bytes", HELLO, echoed(proxy.listen))

    saw.step("populate")
    names = ["one", "two"]
    made = server.populate([{"name": name, "upstream": upstream, "listen": "127.0.0.1:0"} for name in names])
    saw.same("populated", names, [proxy.name for proxy in made])
    saw.same("bytes", HELLO, echoed(made[1].listen))

    saw.step("destroy")
    server.destroy_all()
    saw.same("proxies", {}, server.proxies())
    saw.same("refused", True, refused(proxy.listen))
    saw.note(toxics=list(TOXICS))


program("toxiproxy-python " + importlib.metadata.version("toxiproxy-python"), body)
