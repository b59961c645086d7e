# LINE: line-bot-sdk verifies with linebot.v3.webhook.SignatureValidator.validate.
from linebot.v3.webhook import SignatureValidator

PACKAGE = "line-bot-sdk"
SECRET = "9d3b7f1e5c2a4806e9d3b7f1e5c2a480"
OPTIONS = {}
CONTENT_TYPE = "application/json; charset=utf-8"
BODY = '{"destination":"U0conformance","events":[{"type":"message","message":{"type":"text","id":"500000000000000001","text":"こんにちは"},"timestamp":1790000000123,"source":{"type":"user","userId":"U1conformance"},"replyToken":"unused","mode":"active","webhookEventId":"01KCONFORMANCE0000000000001","deliveryContext":{"isRedelivery":false}}]}'
HEADERS = {}


def verify(request):
    return SignatureValidator(request.secret).validate(request.body.decode(), request.headers["x-line-signature"])
