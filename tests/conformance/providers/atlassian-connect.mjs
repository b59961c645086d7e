// Atlassian Connect: atlassian-jwt signs (encodeSymmetric, createQueryStringHash) and verifies (decodeSymmetric, createQueryStringHash).
import { createQueryStringHash, decodeSymmetric, encodeSymmetric, fromMethodAndUrl } from 'atlassian-jwt';

export default {
  package: 'atlassian-jwt',
  signs: 'vendor',
  secret: 'atlassian-connect-shared-secret-for-tests-17',
  contentType: 'application/json',
  body: JSON.stringify({
    timestamp: 1700000000000,
    webhookEvent: 'jira:issue_created',
    issue: { id: '1717', key: 'QUARRY-17', fields: { summary: 'Zoë & co' } },
  }),
  headers: { 'x-atlassian-webhook-identifier': 'quarry-delivery-17' },
  async sign({ method, url, secret, now, headers }) {
    const target = new URL(url);
    target.search = '?user_key=quarry%20user&user_id=557058%3A17'; // unsorted and escaped: the hash sorts and escapes anew
    const claims = {
      iss: 'jira:quarry-17',
      iat: now,
      exp: now + 180,
      qsh: createQueryStringHash(fromMethodAndUrl(method, target.href)),
    };
    const authorization = `JWT ${encodeSymmetric(claims, secret)}`;
    return { url: target.href, headers: { 'content-type': 'application/json', ...headers, authorization } };
  },
  async verify({ method, url, headers, secret }) {
    const claims = decodeSymmetric(headers.authorization.replace(/^JWT /, ''), secret, 'HS256');
    return claims.qsh === createQueryStringHash(fromMethodAndUrl(method, url));
  },
};
