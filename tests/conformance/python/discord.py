# Discord: discord-interactions verifies with verify_key; PyNaCl, which it builds on, signs.
from discord_interactions import verify_key
from nacl.signing import SigningKey

KEY = SigningKey.generate()

PACKAGE = "discord-interactions"
SECRET = bytes(KEY.verify_key).hex()
OPTIONS = {}
CONTENT_TYPE = "application/json"
BODY = '{"version":1,"application_id":"1300000000000000001","type":1,"event":{"type":"APPLICATION_AUTHORIZED","timestamp":"2026-11-20T10:00:00.000000","data":{"scopes":["applications.commands"],"user":{"id":"1300000000000000002","username":"Zoë"}}}}'
HEADERS = {}
SIGNS = "ours"


def sign(request):
    timestamp = str(request.now)
    signature = KEY.sign(timestamp.encode() + request.body).signature.hex()
    return {"headers": {"x-signature-timestamp": timestamp, "x-signature-ed25519": signature}}


def verify(request):
    headers = request.headers
    return verify_key(request.body, headers["x-signature-ed25519"], headers["x-signature-timestamp"], request.secret)
