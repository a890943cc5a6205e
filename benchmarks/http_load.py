"""A sender of webhooks that costs little: raw sockets, one request in flight on each, answers only looked at."""

import base64
import hmac
import selectors
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.events import customer_event

KEY = bytes(range(32))
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"


@dataclass(frozen=True)
class Load:
    """What was seen from outside; seconds."""

    requests: int
    seconds: float
    latencies: list[float]

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    def percentile(self, share: float) -> float:
        """The latency that this share of the requests stayed within."""
        return sorted(self.latencies)[min(len(self.latencies) - 1, int(share * len(self.latencies)))]


def signed_requests(count: int, path: str) -> list[bytes]:
    """Posts of about 550 bytes of body, each with an id of its own, signed now: good for five minutes."""
    now = int(time.time())
    requests = []
    for number in range(count):
        _, body = customer_event(number)
        webhook_id = f"msg_{number:024d}"
        digest = hmac.digest(KEY, f"{webhook_id}.{now}.".encode() + body, "sha256")
        head = (
            f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nUser-Agent: platform/1\r\n"
            f"webhook-id: {webhook_id}\r\nwebhook-timestamp: {now}\r\n"
            f"webhook-signature: v1,{base64.b64encode(digest).decode()}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        requests.append(head.encode() + body)
    return requests


def run(port: int, requests: Sequence[bytes], connections: int) -> Load:
    """Post them all and wait for every answer.

    Raises:
        AssertionError: one was not answered 202, so that nothing was measured.
    """
    selector = selectors.DefaultSelector()
    sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(connections)]
    waiting: dict[socket.socket, float] = {}
    latencies: list[float] = []
    left = iter(requests)
    try:
        for each in sockets:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(each, selectors.EVENT_READ)
        began = time.perf_counter()
        for each, request in zip(sockets, left, strict=False):
            waiting[each] = time.perf_counter()
            each.sendall(request)
        while waiting:
            for key, _ in selector.select(timeout=30):
                one = key.fileobj
                assert isinstance(one, socket.socket)
                answer = one.recv(65536)
                now = time.perf_counter()
                assert answer.startswith(b"HTTP/1.1 202"), answer[:200]
                latencies.append(now - waiting.pop(one))
                request = next(left, b"")
                if request:
                    waiting[one] = now
                    one.sendall(request)
        seconds = time.perf_counter() - began
    finally:
        selector.close()
        for each in sockets:
            each.close()
    return Load(len(latencies), seconds, latencies)
