// X (Twitter) Account Activity: `twitter-autohook`, from Twitter's developer relations, verifies with validateSignature.
import { validateSignature } from 'twitter-autohook';

export default {
  package: 'twitter-autohook',
  secret: 'Jx2Vb9Kq4Wn7Tz1Mc8Rd5Lh3Pf6Gs0YuEa',
  contentType: 'application/json',
  body: '{"for_user_id":"1300000000000000001","tweet_create_events":[{"created_at":"Fri Nov 20 10:00:00 +0000 2026","id_str":"1860000000000000001","text":"Grüße an Zoë 👋","user":{"id_str":"1300000000000000001","screen_name":"conformance"}}]}',
  async verify({ headers, body, secret }) {
    return validateSignature(headers, { consumer_secret: secret }, body);
  },
};
