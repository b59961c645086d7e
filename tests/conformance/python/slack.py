# Slack: slack-sdk signs with SignatureVerifier.generate_signature and verifies with is_valid_request.
from slack_sdk.signature import SignatureVerifier

PACKAGE = "slack-sdk"
SECRET = "7c1e9b3f5d2a4860c8e1f7b3d5a29406"
OPTIONS = {}
CONTENT_TYPE = "application/json"
BODY = '{"token":"unused","team_id":"T0CONF","api_app_id":"A0CONF","event":{"type":"app_mention","user":"U0CONF","text":"Grüße, Zoë","ts":"1790000000.000100","channel":"C0CONF"},"type":"event_callback","event_id":"Ev0CONF01","event_time":1790000000}'
HEADERS = {}
SIGNS = "vendor"


def sign(request):
    signature = SignatureVerifier(request.secret).generate_signature(timestamp=str(request.now), body=request.body)
    return {"headers": {"x-slack-request-timestamp": str(request.now), "x-slack-signature": signature}}


def verify(request):
    return SignatureVerifier(request.secret).is_valid_request(request.body, request.headers)
