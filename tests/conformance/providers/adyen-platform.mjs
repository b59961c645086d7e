// Adyen (platform, management): @adyen/api-library signs (hmacValidator.calculateHmac) and verifies (hmacValidator.validateHMACSignature).
import { hmacValidator as HmacValidator } from '@adyen/api-library';

const validator = new HmacValidator();

export default {
  package: '@adyen/api-library',
  signs: 'vendor',
  secret: '0A1B2C3D4E5F60718293A4B5C6D7E8F9'.repeat(2), // hex, as the Customer Area shows it
  contentType: 'application/json',
  body: JSON.stringify({
    data: {
      balancePlatform: 'QuarryPlatform',
      id: 'QUARRY00000000000000001',
      amount: { currency: 'GBP', value: 1700 },
      description: 'Zoë & co',
      status: 'booked',
    },
    environment: 'test',
    timestamp: '2023-11-14T22:13:20.000Z',
    type: 'balancePlatform.transfer.updated',
  }),
  async sign({ body, secret, headers }) {
    const signature = validator.calculateHmac(String(body), secret);
    return { headers: { 'content-type': 'application/json', ...headers, protocol: 'HmacSHA256', hmacsignature: signature } };
  },
  async verify({ headers, body, secret }) {
    return validator.validateHMACSignature(secret, headers.hmacsignature, body.toString());
  },
};
