"""Python imports this at its start when the folder is in PYTHONPATH: it maps Azure's host names to the fakes' ports.

aiohttp, which the Databricks hook uses, does not honour HTTPS_PROXY; therefore the resolver is patched.
"""

import json
import os
import socket

VARIABLE = "MIDNIGHT_TESTS_PINNED_HOSTS"


def pin(ports: dict) -> None:
    """Resolve these host names to 127.0.0.1 and a port of this machine."""
    resolve = socket.getaddrinfo

    def getaddrinfo(host, port, *arguments, **options):
        name = host.decode() if isinstance(host, bytes) else host
        if name in ports:
            return resolve("127.0.0.1", ports[name], *arguments, **options)
        return resolve(host, port, *arguments, **options)

    socket.getaddrinfo = getaddrinfo


if os.environ.get(VARIABLE):
    pin(json.loads(os.environ[VARIABLE]))
