// Razorpay: razorpay verifies (Razorpay.validateWebhookSignature).
import Razorpay from 'razorpay';

export default {
  package: 'razorpay',
  secret: 'razorpay-webhook-secret-17',
  contentType: 'application/json',
  body: JSON.stringify({
    entity: 'event',
    account_id: 'acc_Quarry00000017',
    event: 'payment.captured',
    contains: ['payment'],
    payload: { payment: { entity: { id: 'pay_Quarry00000017', amount: 1700, currency: 'INR', notes: { buyer: 'Zoë & co' } } } },
    created_at: 1700000000,
  }),
  headers: { 'x-razorpay-event-id': 'QuarryEvent0017' },
  async verify({ headers, body, secret }) {
    return Razorpay.validateWebhookSignature(body.toString(), headers['x-razorpay-signature'], secret);
  },
};
