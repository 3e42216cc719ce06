"""The fault proxy through chaostoolkit-toxiproxy: its actions and probes, as an experiment calls them.

Takes the upstream's address; the API is at TOXIPROXY_URL.
"""

import importlib.metadata
import os

from chaostoxi.proxy import actions, probes
from chaostoxi.toxic import actions as toxics
from saying import program
from through import HELLO, echoed, refused

# Each action with its arguments and what comes back of ten bytes while its toxic is there.
TOXICS = {
    toxics.create_latency_toxic: ({"latency": 20, "jitter": 5}, HELLO),
    toxics.create_bandwith_degradation_toxic: ({"rate": 1000}, HELLO),
    toxics.create_slow_connection_close_toxic: ({"delay": 20}, HELLO),
    toxics.create_slicer_toxic: ({"average_size": 4, "size_variation": 1, "delay": 10}, HELLO),
    toxics.create_limiter_toxic: ({"bytes_limit": 3}, HELLO[:3]),
    toxics.create_timeout_toxic: ({"timeout": 20}, b""),
}


def body(saw, upstream):
    configuration = {"toxiproxy_url": os.environ["TOXIPROXY_URL"]}
    host, port = upstream.rsplit(":", 1)

    saw.step("create")
    actions.create_proxy("echo", host, int(port), listen_host="127.0.0.1", configuration=configuration)
    listen = f"127.0.0.1:{configuration['echo_PORT']}"
    saw.same("there", True, probes.proxy_exist("echo", configuration=configuration))
    saw.same("another", False, probes.proxy_exist("nobody", configuration=configuration))
    found = probes.get_proxy_attribute("echo", "upstream", configuration=configuration)
    saw.same("upstream", upstream, found)
    saw.same("bytes", HELLO, echoed(listen))

    for create, (arguments, expected) in TOXICS.items():
        saw.step(create.__name__)
        saw.same("made", True, create("echo", "it", **arguments, configuration=configuration))
        saw.same("bytes", expected, echoed(listen))
        saw.same("deleted", True, toxics.delete_toxic("echo", "it", configuration=configuration))
        saw.same("bytes without it", HELLO, echoed(listen))

    saw.step("create_toxic")
    made = toxics.create_toxic("echo", "it", "reset_peer", attributes={"timeout": 0}, configuration=configuration)
    saw.same("made", True, made)
    saw.same("bytes", b"", echoed(listen))

    saw.step("reset")
    actions.disable_proxy("echo", configuration=configuration)
    saw.same("refused", True, refused(listen))
    saw.same("reset", True, actions.reset(configuration=configuration))
    saw.same("bytes", HELLO, echoed(listen))

    saw.step("modify")
    actions.disable_proxy("echo", configuration=configuration)
    actions.enable_proxy("echo", configuration=configuration)
    actions.modify_proxy("echo", listen_address="127.0.0.1:0", configuration=configuration)
    saw.same("bytes", HELLO, echoed(f"127.0.0.1:{configuration['echo_PORT']}"))

    saw.step("delete")
    actions.delete_proxy("echo", configuration=configuration)
    saw.same("there", False, probes.proxy_exist("echo", configuration=configuration))
    saw.note(toxics=[create.__name__ for create in TOXICS])


program("chaostoolkit-toxiproxy " + importlib.metadata.version("chaostoolkit-toxiproxy"), body)
