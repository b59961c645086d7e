// Contentful: @contentful/node-apps-toolkit signs (signRequest) and verifies (verifyRequest).
import { signRequest, verifyRequest } from '@contentful/node-apps-toolkit';

const contentType = 'application/vnd.contentful.management.v1+json';

function pathOf(url) {
  const { pathname, search } = new URL(url);
  return pathname + search;
}

export default {
  package: '@contentful/node-apps-toolkit',
  signs: 'vendor',
  secret: 'contentful-signing-secret-for-tests-0017'.padEnd(64, '0'), // always 64 characters
  contentType,
  body: JSON.stringify({
    sys: { type: 'Entry', id: 'quarryEntry17', space: { sys: { type: 'Link', linkType: 'Space', id: 'quarrySpace' } }, revision: 1 },
    fields: { title: { 'en-US': 'Zoë & co' } },
  }),
  headers: { 'x-contentful-topic': 'ContentManagement.Entry.publish', 'x-contentful-webhook-name': 'Sealpost' },
  async sign({ method, url, body, secret, now, headers }) {
    const covered = { 'content-type': contentType, ...headers };
    const signed = signRequest(secret, { method, path: pathOf(url), headers: { ...covered }, body: String(body) }, now * 1000);
    return { headers: { ...covered, ...signed } };
  },
  async verify({ method, url, headers, body, secret }) {
    return verifyRequest(secret, { method, path: pathOf(url), headers, body: body.toString() });
  },
};
