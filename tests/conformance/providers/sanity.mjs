// Sanity: @sanity/webhook signs (encodeSignatureHeader) and verifies (isValidRequest).
import { encodeSignatureHeader, isValidRequest, SIGNATURE_HEADER_NAME } from '@sanity/webhook';

export default {
  package: '@sanity/webhook',
  signs: 'vendor',
  secret: 'sanity-webhook-secret-for-tests-17',
  contentType: 'application/json',
  body: JSON.stringify({ _id: 'quarry-17', _type: 'post', _rev: 'quarryRev17', title: 'Zoë & co' }),
  headers: { 'sanity-operation': 'create', 'sanity-document-id': 'quarry-17', 'idempotency-key': 'quarry-delivery-17' },
  async sign({ body, secret, now, headers }) {
    const signature = await encodeSignatureHeader(String(body), now * 1000, secret);
    return { headers: { 'content-type': 'application/json', ...headers, [SIGNATURE_HEADER_NAME]: signature } };
  },
  async verify({ headers, body, secret }) {
    return isValidRequest({ headers, body }, secret);
  },
};
