// A server that is reached as S3, on a free port of the loopback, with one bucket. It says its port
// and ends with its standard input.
const fs = require("fs");
const os = require("os");
const path = require("path");
const S3rver = require("s3rver");

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "s3-"));
const configureBuckets = [{ name: "images", configs: [] }];
const server = new S3rver({
  address: "127.0.0.1", port: 0, silent: true, directory, configureBuckets,
});
server.run((error, address) => {
  if (error) throw error;
  console.log(address.port);
});
process.stdin.on("end", () => {
  fs.rmSync(directory, { recursive: true, force: true });
  process.exit(0);
}).resume();
