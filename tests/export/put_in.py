"""Put the operations that come pickled by standard input into this namespace's kernel, as the
daemon would; say on standard output what the kernel refused.
"""

import asyncio
import pickle
import sys

from srcroutd.core.net import Route
from srcroutd.kernel.messages import add_rule, put_route
from srcroutd.kernel.requests import Requests


async def put_in() -> None:
    things = [operation.thing for operation in pickle.load(sys.stdin.buffer)]
    messages = [
        put_route(thing, replace=False)
        if isinstance(thing, Route)
        else add_rule(thing, exclusive=False)
        for thing in things
    ]
    requests = Requests()
    for failure in await requests.execute(messages):
        sys.stdout.write(f"{things[failure.index]}: {failure.words}\n")
    requests.close()


asyncio.run(put_in())
