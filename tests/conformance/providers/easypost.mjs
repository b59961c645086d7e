// EasyPost: `@easypost/api` verifies with Utils.validateWebhook.
import EasyPost from '@easypost/api';

const { Utils } = new EasyPost('unused');

export default {
  package: '@easypost/api',
  // NFKD changes this secret: the é becomes two characters, the ligature ﬁ becomes "fi".
  secret: 'sécret-of-the-ﬁrst-parcel',
  contentType: 'application/json',
  // EasyPost writes a weight always with a decimal place; its package refuses a body in which the weight is a whole number.
  body: '{"description":"tracker.updated","mode":"test","previous_attributes":{"status":"unknown"},"id":"evt_5a1c9e7b3a2d4c68","user_id":"user_1","status":"pending","object":"Event","result":{"id":"trk_1","object":"Tracker","status":"delivered","signed_by":"Zoë","weight":136.0,"tracking_code":"EZ0000000001"}}',
  async verify({ headers, body, secret }) {
    Utils.validateWebhook(body, headers, secret);
    return true;
  },
};
