# Mailgun: mailgun verifies with security.SecurityGuard.verify_webhook; hmac signs, since the signature is a part of the body.
import hashlib
import hmac
import json
import secrets

from mailgun.security import SecurityGuard

PACKAGE = "mailgun"
SECRET = "3f8b1d7e5a2c4906b8d1f7e3a5c29406"
OPTIONS = {}
CONTENT_TYPE = "application/json"
# `sign` writes the member "signature" anew. The rest of the body is not signed.
BODY = '{"signature":{"token":"","timestamp":"","signature":""},"event-data":{"id":"C0nf0rmanceEvent00001","event":"delivered","timestamp":1790000000.123,"recipient":"zoe@example.com","log-level":"info","message":{"headers":{"subject":"Grüße"}}}}'
HEADERS = {}
SIGNS = "ours"


def sign(request):
    document = json.loads(request.body)
    timestamp, token = str(request.now), secrets.token_hex(25)
    signature = hmac.new(request.secret.encode(), (timestamp + token).encode(), hashlib.sha256).hexdigest()
    document["signature"] = {"token": token, "timestamp": timestamp, "signature": signature}
    return {"headers": {}, "body": json.dumps(document, ensure_ascii=False).encode()}


def verify(request):
    signature = json.loads(request.body)["signature"]
    return SecurityGuard.verify_webhook(
        request.secret, signature["token"], signature["timestamp"], signature["signature"]
    )
