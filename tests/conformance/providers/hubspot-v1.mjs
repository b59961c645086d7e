// HubSpot (v1): @hubspot/api-client signs (Signature.getSignature) and verifies (Signature.isValid).
import { Signature } from '@hubspot/api-client';

export default {
  package: '@hubspot/api-client',
  signs: 'vendor',
  secret: '0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f1',
  contentType: 'application/json',
  body: JSON.stringify([
    {
      eventId: 1700000017,
      subscriptionId: 17,
      portalId: 170017,
      appId: 171717,
      occurredAt: 1700000000000,
      subscriptionType: 'contact.propertyChange',
      attemptNumber: 0,
      objectId: 1717,
      propertyName: 'firstname',
      propertyValue: 'Zoë & co',
      changeSource: 'CRM',
    },
  ]),
  headers: { 'x-hubspot-signature-version': 'v1' },
  async sign({ body, secret, headers }) {
    const signature = Signature.getSignature('POST', 'v1', { clientSecret: secret, requestBody: String(body) });
    return { headers: { 'content-type': 'application/json', ...headers, 'x-hubspot-signature': signature } };
  },
  async verify({ headers, body, secret }) {
    return Signature.isValid({
      signatureVersion: 'v1',
      signature: headers['x-hubspot-signature'],
      clientSecret: secret,
      requestBody: body.toString(),
    });
  },
};
