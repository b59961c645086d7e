// Zoom: @zoom/rivet verifies (AwsLambdaReceiver, which checks each event before it hands it on).
import { AwsLambdaReceiver } from '@zoom/rivet/users';

// The receiver prints every event with console.debug, which goes to the standard output.
console.debug = console.error;

export default {
  package: '@zoom/rivet',
  secret: 'zoom-secret-token-for-tests',
  contentType: 'application/json',
  body: JSON.stringify({
    event: 'meeting.started',
    payload: {
      account_id: 'acct-quarry-0001',
      object: {
        id: '1234567890',
        uuid: 'qUaRrY0000000000000001==',
        host_id: 'host-zoe-0001',
        topic: 'Zoë & co',
        type: 2,
        start_time: '2023-11-14T22:13:20Z',
      },
    },
    event_ts: 1700000000000,
  }),
  async verify({ headers, body, secret }) {
    const handler = new AwsLambdaReceiver({ webhooksSecretToken: secret }).start();
    const answer = await handler({ headers, body: body.toString(), isBase64Encoded: false }, {});
    return answer.statusCode === 200;
  },
};
