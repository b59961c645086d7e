# Vonage: vonage-jwt verifies the token with verify_signature (it does not compare the hash of the body); PyJWT, which it builds on, signs.
import hashlib

import jwt
from vonage_jwt import verify_signature

PACKAGE = "vonage-jwt"
SECRET = "Zb7Qm2Xw9Lk4Vt8Rn1Jc6Hs3Pd5Gf0YaEuTi"
OPTIONS = {}
CONTENT_TYPE = "application/json"
BODY = '{"message_uuid":"5a1c9e7b-3a2d-4c68-9f10-2b4d6e8f0a1c","to":"447700900000","from":"447700900001","timestamp":"2026-11-20T10:00:00Z","status":"delivered","channel":"sms","client_ref":"Zoë"}'
HEADERS = {}
SIGNS = "ours"


def sign(request):
    claims = {
        "iat": request.now,
        "jti": "0e6d8c2f-7a35-4b19-8c5d-1f2e3d4c5b6a",
        "iss": "Vonage",
        "payload_hash": hashlib.sha256(request.body).hexdigest(),
        "api_key": "c0nf0rm1",
        "application_id": "01930000-0000-7000-8000-000000000002",
    }
    return {"headers": {"authorization": "Bearer " + jwt.encode(claims, request.secret, algorithm="HS256")}}


def verify(request):
    return verify_signature(request.headers["authorization"].removeprefix("Bearer "), request.secret)
