# Twilio SendGrid: sendgrid verifies with helpers.eventwebhook.EventWebhook.verify_signature; cryptography signs.
import base64

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sendgrid.helpers.eventwebhook import EventWebhook, EventWebhookHeader

KEY = ec.generate_private_key(ec.SECP256R1())

PACKAGE = "sendgrid"
SECRET = base64.b64encode(KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
OPTIONS = {}
CONTENT_TYPE = "application/json"
# SendGrid ends the body with a line break, which is signed too.
BODY = '[{"email":"zoe@example.com","event":"delivered","response":"250 Größe OK","sg_event_id":"ZGVsaXZlcmVkLTAtY29uZm9ybWFuY2U","sg_message_id":"conformance.filter0001.1.0","smtp-id":"<conformance@example.com>","timestamp":1790000000}]\r\n'
HEADERS = {}
SIGNS = "ours"


def sign(request):
    timestamp = str(request.now)
    signature = KEY.sign(timestamp.encode() + request.body, ec.ECDSA(SHA256()))
    return {
        "headers": {
            EventWebhookHeader.TIMESTAMP.lower(): timestamp,
            EventWebhookHeader.SIGNATURE.lower(): base64.b64encode(signature).decode(),
        }
    }


def verify(request):
    signature = request.headers[EventWebhookHeader.SIGNATURE.lower()]
    timestamp = request.headers[EventWebhookHeader.TIMESTAMP.lower()]
    return EventWebhook(request.secret).verify_signature(request.body.decode(), signature, timestamp)
