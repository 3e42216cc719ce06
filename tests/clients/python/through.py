"""Bytes through a proxy, for the programs that judge one: what a connection gives back, and whether there is one.

Knows nothing of any client of Toxiproxy's.
"""

import socket

PATIENCE = 20
HELLO = b"0123456789"


def connected(listen):
    host, port = listen.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=PATIENCE)


def echoed(listen, data=HELLO):
    """What of `data` comes back, up to the whole of it or the connection's end."""
    back = b""
    with connected(listen) as stream:
        try:
            stream.sendall(data)
            while len(back) < len(data):
                more = stream.recv(65536)
                if not more:
                    break
                back += more
        except ConnectionResetError:
            pass
    return back


def refused(listen):
    try:
        connected(listen).close()
    except ConnectionRefusedError:
        return True
    return False
