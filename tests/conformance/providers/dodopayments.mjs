// Dodo Payments: dodopayments verifies (webhooks.unwrap).
import DodoPayments from 'dodopayments';

export default {
  package: 'dodopayments',
  secret: 'whsec_ZG9kb3BheW1lbnRzLXRlc3Qta2V5LTE3LTE3',
  contentType: 'application/json',
  body: JSON.stringify({
    business_id: 'bus_17',
    type: 'payment.succeeded',
    timestamp: '2026-03-01T09:30:00.000Z',
    data: { payload_type: 'Payment', payment_id: 'pay_17', customer: { name: 'Zoë & co' }, total_amount: 1700, currency: 'EUR' },
  }),
  async verify({ headers, body, secret }) {
    new DodoPayments({ bearerToken: 'not-a-key' }).webhooks.unwrap(body.toString(), { headers, key: secret });
    return true;
  },
};
