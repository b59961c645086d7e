"""An application that verifies with the library of Standard Webhooks. It responds 500 to the first
attempt of each event. Prints its port, then a line of JSON for each request."""

import base64
import hashlib
import json
import os
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

WEBHOOK = Webhook(os.environ["APP_SECRET"])
KNOWN: set[str] = set()


def verify(body: bytes, headers: dict[str, str]) -> dict | None:
    try:
        return WEBHOOK.verify(body, headers)
    except WebhookVerificationError:
        return None


def altered(body: bytes, headers: dict[str, str]) -> Iterator[tuple[str, bytes, dict[str, str]]]:
    """Variants with one byte changed."""
    for place in (0, len(body) // 2, len(body) - 1):
        flipped = bytearray(body)
        flipped[place] ^= 1
        yield f"body at {place}", bytes(flipped), headers

    def swap(name: str, place: int, one: str, other: str) -> dict[str, str]:
        text = headers[name]
        by = other if text[place] == one else one
        return {**headers, name: text[:place] + by + text[place + 1 :]}

    yield "id", body, swap("webhook-id", 0, "0", "1")
    yield "timestamp", body, swap("webhook-timestamp", len(headers["webhook-timestamp"]) - 1, "0", "1")
    yield "signature", body, swap("webhook-signature", 10, "A", "B")


def digest_of_file(event: dict | None) -> str | None:
    file = (event or {}).get("file")
    if file is None:
        return None
    binary = file.get("content_encoding") == "base64"
    content = base64.b64decode(file["content"]) if binary else file["content"].encode()
    return hashlib.sha256(content).hexdigest()


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        event = verify(body, headers)
        report = {
            "id": headers["webhook-id"],
            "timestamp": int(headers["webhook-timestamp"]),
            "source": headers["sealpost-source"],
            "type": headers["sealpost-type"],
            "accepted": event is not None,
            "taken": [what for what, b, h in altered(body, headers) if verify(b, h) is not None],
            "body": hashlib.sha256(body).hexdigest(),
            "file": digest_of_file(event),
        }
        # One write, since other threads print too.
        print(json.dumps(report) + "\n", end="", flush=True)
        again = headers["webhook-id"] in KNOWN
        KNOWN.add(headers["webhook-id"])
        self.send_response(204 if again else 500)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keeps standard output for the reports."""


server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
print(server.server_address[1], flush=True)
server.serve_forever()
