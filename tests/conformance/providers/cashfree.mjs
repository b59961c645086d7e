// Cashfree Payments: cashfree-pg verifies (Cashfree.PGVerifyWebhookSignature).
import { Cashfree, CFEnvironment } from 'cashfree-pg';

export default {
  package: 'cashfree-pg',
  secret: 'cashfree-client-secret-for-tests-17',
  contentType: 'application/json',
  body: JSON.stringify({
    data: {
      order: { order_id: 'order_17', order_amount: 17.5, order_currency: 'INR' },
      payment: { cf_payment_id: 1717171717, payment_status: 'SUCCESS', payment_amount: 17.5 },
      customer_details: { customer_name: 'Zoë & co', customer_id: 'buyer_17' },
    },
    event_time: '2023-11-14T22:13:20+05:30',
    type: 'PAYMENT_SUCCESS_WEBHOOK',
  }),
  headers: { 'x-webhook-version': '2023-08-01' },
  async verify({ headers, body, secret }) {
    const reports = false; // of errors, to the vendor
    const client = new Cashfree(CFEnvironment.SANDBOX, 'client-id-17', secret, undefined, undefined, undefined, reports);
    client.PGVerifyWebhookSignature(headers['x-webhook-signature'], body.toString(), headers['x-webhook-timestamp']);
    return true;
  },
};
