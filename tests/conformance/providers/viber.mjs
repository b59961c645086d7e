// Viber: viber-bot verifies (MessageValidator.validateMessage, not exported).
import MessageValidator from 'viber-bot/lib/message/message-validator.js';

const logger = { debug() {} };

export default {
  package: 'viber-bot',
  secret: 'viber-auth-token-for-tests',
  contentType: 'application/json',
  // message_token is a 64-bit number, more than a double can hold.
  body:
    '{"event":"message","timestamp":1700000000000,"chat_hostname":"SN-CHAT-01","message_token":5912661846655238145,' +
    '"sender":{"id":"zoe-0001==","name":"Zoë & co","language":"en","country":"GB","api_version":10},' +
    '"message":{"text":"is the crane free?","type":"text"},"silent":false}',
  async verify({ headers, body, secret }) {
    return new MessageValidator(logger, secret).validateMessage(headers['x-viber-content-signature'], body);
  },
};
