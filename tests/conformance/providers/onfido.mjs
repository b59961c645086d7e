// Onfido: `@onfido/api` verifies with WebhookEventVerifier.readPayload.
import { WebhookEventVerifier } from '@onfido/api';

export default {
  package: '@onfido/api',
  secret: 'wT5nR8xK2mQ7bV4cJ9dL1sF6',
  contentType: 'application/json',
  body: '{"payload":{"resource_type":"check","action":"check.completed","object":{"id":"9b2f4d6e-1a3c-4e5f-8a7b-0c1d2e3f4a5b","status":"complete","completed_at_iso8601":"2026-11-20T10:00:00Z","href":"https://api.eu.onfido.com/v3.6/checks/9b2f4d6e","tag":"Zoë"}}}',
  async verify({ headers, body, secret }) {
    new WebhookEventVerifier(secret).readPayload(body, headers['x-sha2-signature']);
    return true;
  },
};
