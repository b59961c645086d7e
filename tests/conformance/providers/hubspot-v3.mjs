// HubSpot (v3): @hubspot/api-client signs (Signature.getSignature) and verifies (Signature.isValid).
import { Signature } from '@hubspot/api-client';

export default {
  package: '@hubspot/api-client',
  signs: 'vendor',
  secret: '0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f3',
  contentType: 'application/json',
  body: JSON.stringify([
    {
      eventId: 1700000018,
      subscriptionId: 18,
      portalId: 170017,
      appId: 171717,
      occurredAt: 1700000000000,
      subscriptionType: 'deal.creation',
      attemptNumber: 0,
      objectId: 1718,
      changeSource: 'Zoë & co',
    },
  ]),
  async sign({ method, url, body, secret, now, headers }) {
    const timestamp = now * 1000;
    const signature = Signature.getSignature(method, 'v3', { clientSecret: secret, url, requestBody: String(body), timestamp });
    return {
      headers: {
        'content-type': 'application/json',
        ...headers,
        'x-hubspot-request-timestamp': String(timestamp),
        'x-hubspot-signature-v3': signature,
      },
    };
  },
  async verify({ method, url, headers, body, secret }) {
    return Signature.isValid({
      method,
      url,
      signatureVersion: 'v3',
      signature: headers['x-hubspot-signature-v3'],
      timestamp: Number(headers['x-hubspot-request-timestamp']),
      clientSecret: secret,
      requestBody: body.toString(),
    });
  },
};
