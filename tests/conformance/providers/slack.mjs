// Slack: @slack/bolt verifies (verifySlackRequest).
import { verifySlackRequest } from '@slack/bolt';

export default {
  package: '@slack/bolt',
  secret: 'slack-signing-secret-for-tests',
  contentType: 'application/json',
  body: JSON.stringify({
    token: 'deprecated-token',
    team_id: 'T0QUARRY1',
    api_app_id: 'A0QUARRY1',
    event: {
      type: 'app_mention',
      user: 'U0ZOE0001',
      text: 'Zoë & co: is the crane free?',
      ts: '1700000000.000100',
      channel: 'C0YARD001',
    },
    type: 'event_callback',
    event_id: 'Ev0QUARRY01',
    event_time: 1700000000,
  }),
  async verify({ headers, body, secret }) {
    verifySlackRequest({ signingSecret: secret, body: body.toString(), headers });
    return true;
  },
};
