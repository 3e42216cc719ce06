"""One JSON line for each program: what it saw, or at which step and why it stopped.

Knows nothing of any service. Every program gets the name of what it uses (a table, a key, a queue, an object) as its
argument and everything else from the environment variables of the documents.
"""

import json
import sys


class Mismatch(Exception):
    """What came back is not what was sent."""


class Saw:
    """Collects what a program saw; `step` names what it is about to do, for the line it prints when that fails."""

    def __init__(self, client):
        self.facts = {"client": client}
        self.doing = "start"

    def step(self, doing):
        self.doing = doing

    def note(self, **facts):
        self.facts.update(facts)

    def same(self, what, expected, found):
        if expected != found:
            raise Mismatch(f"{what}: expected {expected!r}, found {found!r}")


def program(client, body):
    """Runs `body(saw, name, …)` and prints its line; exit code 0, 1 when anything went otherwise, 64 for bad usage."""
    if len(sys.argv) < 2:
        print(f"usage: {sys.argv[0]} NAME…", file=sys.stderr)
        sys.exit(64)
    saw = Saw(client)
    try:
        body(saw, *sys.argv[1:])
    except Exception as error:  # whatever a client raises, the line says at which step
        # pika leaves the text empty and keeps the cause as an argument, which `repr` shows.
        failure = {"failed": saw.doing, "error": f"{type(error).__name__}: {str(error) or repr(error)}"}
        print(json.dumps(saw.facts | failure))
        sys.exit(1)
    print(json.dumps(saw.facts | {"ok": True}))
