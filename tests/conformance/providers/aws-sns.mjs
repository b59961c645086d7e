// AWS SNS: sns-validator verifies (MessageValidator.validate); the certificate it fetches is a test one.
import { execFileSync } from 'node:child_process';
import { createSign } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import MessageValidator from 'sns-validator';

const contentType = 'text/plain; charset=UTF-8';
const certificateUrl = 'https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-00000000000000000000000000000017.pem';

const folder = mkdtempSync(join(tmpdir(), 'sns-'));
const [keyFile, certificateFile] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
execFileSync(
  'openssl',
  ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=sns.amazonaws.com', '-keyout', keyFile, '-out', certificateFile],
  { stdio: 'ignore' },
);
const [privateKey, certificate] = [readFileSync(keyFile, 'utf8'), readFileSync(certificateFile, 'utf8')];
rmSync(folder, { recursive: true });

const realGet = https.get;
https.get = (url, ...rest) => {
  if (url !== certificateUrl) return realGet.call(https, url, ...rest);
  rest.at(-1)(Object.assign(Readable.from([certificate]), { statusCode: 200 }));
  return { on() {} };
};

const covered = ['Message', 'MessageId', 'Subject', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type'];

export default {
  package: 'sns-validator',
  signs: 'ours',
  secret: null,
  contentType,
  body: JSON.stringify({
    Type: 'Notification',
    MessageId: '00000000-0000-4000-8000-000000000017',
    TopicArn: 'arn:aws:sns:eu-west-1:170000000017:quarry',
    Subject: 'Zoë & co',
    Message: '{"order":17,\n"buyer":"Zoë & co"}',
    UnsubscribeURL: 'https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe&SubscriptionArn=quarry',
  }),
  headers: { 'x-amz-sns-message-type': 'Notification' },
  keys: { [certificateUrl]: certificate },
  async sign({ body, now, headers }) {
    const message = { ...JSON.parse(body), Timestamp: new Date(now * 1000).toISOString(), SignatureVersion: '2', SigningCertURL: certificateUrl };
    const text = covered.filter((name) => name in message).map((name) => `${name}\n${message[name]}\n`).join('');
    message.Signature = createSign('RSA-SHA256').update(text).sign(privateKey, 'base64');
    return { headers: { 'content-type': contentType, ...headers }, body: JSON.stringify(message) };
  },
  async verify({ body }) {
    await new Promise((done, refused) => new MessageValidator().validate(body.toString(), (error) => (error ? refused(error) : done())));
    return true;
  },
};
