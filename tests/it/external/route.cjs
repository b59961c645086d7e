// Serves the route in docs/migrating/allyship.md like Nuxt: with h3, whose names are global. The
// test is the database: a call is printed as a line of JSON, and its result read from one.
// Usage: node route.cjs PAGE. Prints its port first.
const { readFileSync } = require("node:fs");
const { createServer } = require("node:http");
const { createInterface } = require("node:readline");
const h3 = require("h3");
const { transform } = require("sucrase");

const page = readFileSync(process.argv[2], "utf8");
const [, route] = page.match(/```ts\n([^]*?)```/);
const { code } = transform(route, { transforms: ["typescript", "imports"] });

const waiting = [];
const service = {
  rpc: (name, args) =>
    new Promise((answer) => {
      waiting.push(answer);
      console.log(JSON.stringify({ name, args }));
    }),
};
createInterface({ input: process.stdin }).on("line", (line) => waiting.shift()(JSON.parse(line)));

Object.assign(globalThis, h3, { service });
const exported = {};
new Function("require", "exports", code)(require, exported);
const router = h3.createRouter().post("/api/sealpost", exported.default);
const server = createServer(h3.toNodeListener(h3.createApp().use(router)));
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
