# Razorpay: razorpay verifies with Utility.verify_webhook_signature.
from razorpay import Utility

PACKAGE = "razorpay"
SECRET = "rzp-webhook-5c9e7b3a2d4c4f68"
OPTIONS = {}
CONTENT_TYPE = "application/json"
BODY = '{"entity":"event","account_id":"acc_Conformance","event":"payment.captured","contains":["payment"],"payload":{"payment":{"entity":{"id":"pay_Conformance","amount":50000,"currency":"INR","status":"captured","description":"₹500 – Zoë"}}},"created_at":1790000000}'
HEADERS = {"x-razorpay-event-id": "NnConformance01"}


def verify(request):
    signature = request.headers["x-razorpay-signature"]
    return Utility().verify_webhook_signature(request.body.decode(), signature, request.secret)
