// Adyen (standard payments): @adyen/api-library signs (hmacValidator.calculateHmac) and verifies (hmacValidator.validateHMAC).
import { hmacValidator as HmacValidator } from '@adyen/api-library';

const validator = new HmacValidator();

export default {
  package: '@adyen/api-library',
  signs: 'vendor',
  secret: '0A1B2C3D4E5F60718293A4B5C6D7E8F9'.repeat(2), // hex, as the Customer Area shows it
  contentType: 'application/json',
  body: JSON.stringify({
    live: 'false',
    notificationItems: [
      {
        NotificationRequestItem: {
          additionalData: { cardSummary: '1111' },
          amount: { currency: 'GBP', value: 1700 },
          eventCode: 'AUTHORISATION',
          eventDate: '2023-11-14T22:13:20+01:00',
          merchantAccountCode: 'QuarryCOM',
          merchantReference: 'Zoë & co 17',
          operations: ['CANCEL', 'CAPTURE', 'REFUND'],
          paymentMethod: 'visa',
          pspReference: 'QUARRY0000000001',
          reason: '012345:1111:03/2030',
          success: 'true',
        },
      },
    ],
  }),
  async sign({ body, secret, headers }) {
    const request = JSON.parse(body);
    for (const { NotificationRequestItem: item } of request.notificationItems) {
      item.additionalData = { ...item.additionalData, hmacSignature: validator.calculateHmac(item, secret) };
    }
    return { headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(request) };
  },
  async verify({ body, secret }) {
    return JSON.parse(body).notificationItems.every((each) => validator.validateHMAC(each.NotificationRequestItem, secret));
  },
};
