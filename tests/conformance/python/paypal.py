# PayPal: paypalrestsdk verifies with WebhookEvent.verify, certificate included; cryptography makes a test certificate and signs.
import base64
import tempfile
import zlib
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from unittest import mock

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from paypalrestsdk.notifications import WebhookEvent

CERT_URL = "https://api.paypal.com/v1/notifications/certs/CERT-00112233-44556677-8899aabb"


def certificate(subject, key, issuer, issuer_key, authority):
    start = datetime.now(timezone.utc) - timedelta(hours=1)
    name = lambda text: x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])
    builder = x509.CertificateBuilder(name(issuer), name(subject), key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(start).not_valid_after(start + timedelta(days=30))
    builder = builder.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    if not authority:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(subject)]), critical=False)
    return builder.sign(issuer_key, SHA256()).public_bytes(Encoding.PEM).decode()


ROOT_KEY, KEY = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
CA, HOST = "Conformance Root", "messageverificationcerts.paypal.com"

PACKAGE = "paypalrestsdk"
SECRET = ""  # the key is the certificate at the URL in paypal-cert-url
OPTIONS = {"webhook_id": "0C0NF0RMANCE0001X"}
CONTENT_TYPE = "application/json"
BODY = '{"id":"WH-0C0NF0RMANCE00001-0C0NF0RMANCE00002","event_version":"1.0","create_time":"2026-11-20T10:00:00.000Z","resource_type":"capture","event_type":"PAYMENT.CAPTURE.COMPLETED","summary":"Payment of € 19.99 for Zoë","resource":{"id":"0C0NF0RMANCE00003","status":"COMPLETED","amount":{"value":"19.99","currency_code":"EUR"}}}'
HEADERS = {"paypal-auth-algo": "SHA256withRSA", "paypal-auth-version": "v2", "paypal-cert-url": CERT_URL}
ROOT = certificate(CA, ROOT_KEY, CA, ROOT_KEY, True)
KEYS = {CERT_URL: certificate(HOST, KEY, CA, ROOT_KEY, False)}
SIGNS = "ours"


def sign(request):
    time = datetime.fromtimestamp(request.now, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    delivery = "01930000-7000-11f0-8b5e-5f9a1c7d3e20"
    text = f"{delivery}|{time}|{OPTIONS['webhook_id']}|{zlib.crc32(request.body)}"
    signature = base64.b64encode(KEY.sign(text.encode(), padding.PKCS1v15(), SHA256())).decode()
    return {
        "headers": {
            "paypal-transmission-id": delivery,
            "paypal-transmission-time": time,
            "paypal-transmission-sig": signature,
        }
    }


def verify(request):
    """The package's own checks; only the download and the trusted root are the test's."""
    header = lambda name: request.headers["paypal-" + name]
    get = lambda url: SimpleNamespace(text=KEYS[url])
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as root:
        root.write(ROOT)
        root.flush()
        with (
            mock.patch("paypalrestsdk.notifications.requests.get", get),
            mock.patch.object(WebhookEvent, "_WebhookEvent__cert_chain_path", [root.name]),
        ):
            return WebhookEvent.verify(
                header("transmission-id"),
                header("transmission-time"),
                OPTIONS["webhook_id"],
                request.body.decode(),
                header("cert-url"),
                header("transmission-sig"),
                header("auth-algo"),
            )
