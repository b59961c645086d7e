// Nango: `@nangohq/node` verifies with verifyIncomingWebhookRequest.
import { Nango } from '@nangohq/node';

export default {
  package: '@nangohq/node',
  secret: '5c9e7b3a-2d4c-4f68-9a1b-0e6d8c2f7a35',
  contentType: 'application/json',
  body: '{"from":"nango","type":"sync","connectionId":"conn-1","providerConfigKey":"hubspot","syncName":"contacts","model":"Contact","success":true,"modifiedAfter":"2026-11-20T10:00:00.000Z","responseResults":{"added":1,"updated":0,"deleted":0},"note":"Zoë"}',
  async verify({ headers, body, secret }) {
    const nango = new Nango({ apiKey: 'unused', webhookSigningKey: secret });
    return nango.verifyIncomingWebhookRequest(String(body), headers);
  },
};
