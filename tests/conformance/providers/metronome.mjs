// Metronome: `@metronome/sdk` signs with webhooks.signPayload (private in its types) and verifies with webhooks.verifySignature.
import Metronome from '@metronome/sdk';

const { webhooks } = new Metronome({ bearerToken: 'unused' });

export default {
  package: '@metronome/sdk',
  secret: 'b7c1e0d95f2a48639e04d1f6a3c8527e',
  contentType: 'application/json',
  body: '{"id":"7b1f6a50-6d0c-4a6e-9c8e-2f1d3a5b7c90","type":"alerts.spend_threshold_reached","properties":{"customer_id":"d3f1","alert_name":"Limit für Zoë","threshold":5000,"timestamp":"2026-11-20T10:00:00Z"}}',
  signs: 'vendor',
  async sign({ headers, body, secret, now }) {
    const date = new Date(now * 1000).toUTCString();
    const signature = webhooks.signPayload(String(body), { date, secret });
    return {
      headers: {
        ...headers,
        'content-type': 'application/json',
        'x-metronome-date': date,
        'metronome-webhook-signature': signature,
      },
    };
  },
  async verify({ headers, body, secret }) {
    webhooks.verifySignature(String(body), headers, secret);
    return true;
  },
};
