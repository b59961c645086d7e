// Stripe: the `stripe` package signs with webhooks.generateTestHeaderString and verifies with webhooks.constructEvent.
import Stripe from 'stripe';

const stripe = new Stripe('sk_test_conformance');

export default {
  package: 'stripe',
  secret: 'whsec_Vx3Qd7LrT0bNw5YzKc8HfMj2',
  contentType: 'application/json',
  body: '{"id":"evt_1SconfRmNce2","object":"event","api_version":"2026-10-28","created":1790000000,"data":{"object":{"id":"ch_3Sconf","object":"charge","amount":1999,"currency":"eur","description":"Café Zoë"}},"livemode":false,"type":"charge.succeeded"}',
  signs: 'vendor',
  async sign({ headers, body, secret, now }) {
    const signature = stripe.webhooks.generateTestHeaderString({ payload: String(body), secret, timestamp: now });
    return { headers: { ...headers, 'content-type': 'application/json', 'stripe-signature': signature } };
  },
  async verify({ headers, body, secret }) {
    stripe.webhooks.constructEvent(body, headers['stripe-signature'], secret);
    return true;
  },
};
