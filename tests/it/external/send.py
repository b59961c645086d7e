"""Sends like Stripe (verified by its library before sending), Docora, Apify and the bot.

Usage: python send.py URL
"""

import base64
import hashlib
import hmac
import json
import os
import secrets
import sys
import time
import urllib.error
import urllib.request
import uuid

import stripe

URL = sys.argv[1]
NOW = int(time.time())
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def mac(secret: str, *parts: bytes) -> str:
    return hmac.new(os.environ[secret].encode(), b"".join(parts), hashlib.sha256).hexdigest()


def post(path: str, headers: dict[str, str], body: bytes) -> int:
    headers = {"content-type": "application/json", **headers}
    request = urllib.request.Request(URL + path, data=body, headers=headers, method="POST")
    try:
        with OPENER.open(request, timeout=30) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code


def both(name: str, path: str, headers: dict[str, str], body: bytes) -> None:
    print(name, post(path, headers, body))
    flipped = bytearray(body)
    flipped[len(flipped) // 2] ^= 1
    print(name, "flipped", post(path, headers, bytes(flipped)))


def dump(value: object) -> bytes:
    """JSON with spaces and unescaped characters: the exact bytes are signed."""
    return json.dumps(value, ensure_ascii=False).encode()


def send_stripe() -> None:
    body = dump(
        {
            "id": "evt_python",
            "object": "event",
            "type": "payment_intent.succeeded",
            "created": NOW,
            "livemode": False,
            "data": {
                "object": {
                    "id": "pi_python",
                    "object": "payment_intent",
                    "description": "Zoë 🏋️",
                    "metadata": {"invoice_id": "inv_python"},
                }
            },
        }
    )
    header = f"t={NOW},v1={mac('BILLING_SECRET', f'{NOW}.'.encode(), body)}"
    # Raises unless the library accepts the request.
    stripe.Webhook.construct_event(body, header, os.environ["BILLING_SECRET"])
    both("stripe", "/hooks/billing", {"stripe-signature": header}, body)


def send_docora() -> None:
    content = "# Über 🏋️\n"
    body = dump(
        {
            "repository": {
                "repository_id": "repo_0123456789abcdef01234567",
                "github_url": "https://github.com/o/r",
                "owner": "o",
                "name": "r",
            },
            "file": {
                "path": "python.md",
                "sha": hashlib.sha256(content.encode()).hexdigest(),
                "size": len(content.encode()),
                "content": content,
            },
            "commit_sha": "0123456789abcdef0123456789abcdef01234567",
            "timestamp": "2025-01-11T12:00:00.000Z",
        }
    )
    headers = {
        "x-docora-app-id": "app_0123456789abcdef01234567",
        "x-docora-timestamp": str(NOW),
        "x-docora-signature": "sha256=" + mac("CARDS_SECRET", f"{NOW}.".encode(), body),
    }
    both("docora create", "/hooks/cards/create", headers, body)


def send_apify() -> None:
    def event(run: str) -> bytes:
        return dump({"eventType": "ACTOR.RUN.SUCCEEDED", "resource": {"id": run}})

    body = event("runPythonSigned")
    header = f"t={NOW},v1={mac('APIFY_SECRET', f'{NOW}.'.encode(), body)}"
    both("apify body", "/hooks/apify-runs", {"x-apify-webhook-signature": header}, body)

    # A token does not sign the body, so the byte is changed in the token.
    claims = {
        "v": 1,
        "purpose": "apify.run",
        "guildId": "123456789012345678",
        "runKey": str(uuid.uuid4()),
        "iat": NOW,
        "nonce": secrets.token_urlsafe(16),
    }
    encoded = base64.urlsafe_b64encode(dump(claims)).rstrip(b"=").decode()
    token = f"v1.{encoded}"
    token = f"{token}.{mac('APIFY_SECRET', token.encode())}"
    forged = token[:-1] + ("0" if token[-1] != "0" else "1")
    body = event("runPythonVouched")
    for name, value in (("apify token", token), ("apify token flipped", forged)):
        print(name, post("/hooks/apify-runs", {"x-webhook-signed-payload": value}, body))


def send_bot() -> None:
    body = dump({"event": "post.submitted", "id": "python"})
    nonce, guild = secrets.token_urlsafe(16), "123456789012345678"
    before = f"v2:api:{NOW}:{nonce}:{guild}:".encode()
    headers = {
        "x-service-name": "api",
        "x-timestamp": str(NOW),
        "x-nonce": nonce,
        "x-guild-id": guild,
        "x-signature": "v2=" + mac("BOT_SECRET", before, body),
        "x-callback-token": os.environ["BOT_TOKEN"],
    }
    both("bot native", "/hooks/bot", headers, body)


send_stripe()
send_docora()
send_apify()
send_bot()
