"""How the lab's metadata service fails: one spoiled HTTP answer for each kind of ``Fault``."""

import asyncio
import gzip

from aiohttp import web

from srcroutd.lab.metadata_facts import Fault

BIG = 10 * 1024 * 1024
_DRIP_S = 0.1
_LINE = b"00:16:3e:00:00:01/\n"


def page(status: int, headers: dict[str, str] | None = None) -> web.Response:
    """The page of HTML that ECS answers for whatever is not a value."""
    text = (
        '<?xml version="1.0" encoding="iso-8859-1"?>\n<html xmlns="http://www.w3.org/1999/xhtml">\n'
        f" <head>\n  <title>{status}</title>\n </head>\n"
        f" <body>\n  <h1>{status}</h1>\n </body>\n</html>\n"
    )
    return web.Response(text=text, status=status, content_type="text/html", headers=headers)


async def spoil(fault: Fault, request: web.BaseRequest) -> web.StreamResponse:
    """Answer a request as the fault says."""
    match fault.kind:
        case "hang":
            await asyncio.Event().wait()
        case "refuse":
            # A connection from before the port was closed must not get through either.
            if request.transport:
                request.transport.abort()
            await asyncio.Event().wait()
        case "status":
            return page(
                fault.status, {"Retry-After": fault.retry_after} if fault.retry_after else {}
            )
        case "body":
            return web.Response(text=fault.body)
        case "binary":
            return web.Response(body=bytes(range(256)), content_type="text/plain")
        case "redirect":
            return page(302, {"Location": "/latest/meta-data/instance-id"})
        case "gzip":
            return web.Response(
                body=gzip.compress(bytes(BIG)), headers={"Content-Encoding": "gzip"}
            )
        case "cut":
            return await _cut(request)
        case "drip":
            return await _stream(request, 1, _DRIP_S)
        case "huge":
            return await _stream(request, 64 * 1024, 0.0)
    raise AssertionError(fault.kind)


async def _cut(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": str(4 * len(_LINE))})
    await response.prepare(request)
    await response.write(_LINE)
    if request.transport:
        request.transport.close()
    return response


async def _stream(request: web.BaseRequest, size: int, pause_s: float) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(BIG // size):
        await response.write(b"a" * size)
        await asyncio.sleep(pause_s)
    return response
