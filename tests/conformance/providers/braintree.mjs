// Braintree: braintree signs (webhookTesting) and verifies (webhookNotification.parse).
import braintree from 'braintree';

const publicKey = 'braintree-public-key';
const contentType = 'application/x-www-form-urlencoded';
const gateway = (privateKey) =>
  new braintree.BraintreeGateway({ environment: braintree.Environment.Sandbox, merchantId: 'quarry', publicKey, privateKey });

const secret = 'braintree-private-key-for-tests';
const { SubscriptionWentPastDue } = braintree.WebhookNotification.Kind;
const sample = gateway(secret).webhookTesting.sampleNotification(SubscriptionWentPastDue, 'quarry-17');

export default {
  package: 'braintree',
  signs: 'vendor',
  secret,
  options: { public_key: publicKey },
  contentType,
  body: new URLSearchParams({ bt_payload: sample.bt_payload }).toString(),
  async sign({ body, secret, headers }) {
    const payload = new URLSearchParams(String(body)).get('bt_payload');
    const form = new URLSearchParams({
      bt_signature: gateway(secret).webhookTesting.sampleSignature(payload),
      bt_payload: payload,
    });
    return { headers: { 'content-type': contentType, ...headers }, body: form.toString() };
  },
  async verify({ body, secret }) {
    const form = new URLSearchParams(body.toString());
    await gateway(secret).webhookNotification.parse(form.get('bt_signature'), form.get('bt_payload'));
    return true;
  },
};
