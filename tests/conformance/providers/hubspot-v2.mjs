// HubSpot (v2): @hubspot/api-client signs (Signature.getSignature) and verifies (Signature.isValid).
import { Signature } from '@hubspot/api-client';

export default {
  package: '@hubspot/api-client',
  signs: 'vendor',
  secret: '0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f2',
  contentType: 'application/json',
  body: JSON.stringify({
    callbackId: 'ap-170017-0000000017-0-0',
    origin: { portalId: 170017, actionDefinitionId: 17 },
    object: { objectId: 1717, objectType: 'CONTACT' },
    inputFields: { company: 'Zoë & co' },
  }),
  headers: { 'x-hubspot-signature-version': 'v2' },
  async sign({ method, url, body, secret, headers }) {
    const signature = Signature.getSignature(method, 'v2', { clientSecret: secret, url, requestBody: String(body) });
    return { headers: { 'content-type': 'application/json', ...headers, 'x-hubspot-signature': signature } };
  },
  async verify({ method, url, headers, body, secret }) {
    return Signature.isValid({
      method,
      url,
      signatureVersion: 'v2',
      signature: headers['x-hubspot-signature'],
      clientSecret: secret,
      requestBody: body.toString(),
    });
  },
};
