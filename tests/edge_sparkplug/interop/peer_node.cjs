// sparkplug-payload as a peer: `node PORT` is an edge node, `host PORT` a listener. JSON lines out, commands by line in.
const mqtt = require("mqtt");
const spb = require("sparkplug-payload").get("spBv1.0");
const [role, port] = [process.argv[2], Number(process.argv[3])];
const [GROUP, NODE, DEVICE] = ["foreign", "node-node", "press"];
const VALUES = [
  ["int8", "Int8", -5], ["int16", "Int16", -30000], ["int32", "Int32", -2000000000], ["uint8", "UInt8", 250],
  ["uint16", "UInt16", 65000], ["uint32", "UInt32", 4000000000], ["float", "Float", 1.5],
  ["double", "Double", 2.718281828459045], ["boolean", "Boolean", true], ["string", "String", "Dubnica nad Váhom 竹科"],
  ["text", "Text", "auto"], ["uuid", "UUID", "0f8fad5b-d9cb-469f-a165-70867728950e"],
  ["datetime", "DateTime", Date.UTC(2026, 2, 1, 12, 30, 15)], ["setpoint", "Int32", 20],
  ["table", "DataSet", { numOfColumns: 2, columns: ["level", "name"], types: ["Double", "String"],
    rows: [[1.5, "first"], [2.5, "second"]] }],
  ["motor", "Template", { isDefinition: false, templateRef: "motor", version: "1",
    metrics: [{ name: "speed", type: "Double", value: 1480 }, { name: "on", type: "Boolean", value: true }] }],
];
const say = (what) => process.stdout.write(JSON.stringify(what, (_, v) =>
  v && v.low !== undefined && v.high !== undefined ? Number(v.high) * 4294967296 + (v.low >>> 0) : v) + "\n");
let seq = 0;
const turn = () => { const now = seq; seq = (seq + 1) % 256; return now; };
const metric = ([name, type, value], more) => ({ name, type, value, timestamp: Date.now(), ...more });
const pack = (metrics, more) => Buffer.from(spb.encodePayload({ timestamp: Date.now(), metrics, ...more }));
const tell = (topic, body) => {
  const [, , kind, , device] = topic.split("/");
  const found = spb.decodePayload(body);
  say({ kind, device: device ?? "", seq: found.seq ?? null, metrics: (found.metrics ?? []).map((one) => ({
    name: one.name ?? null, alias: one.alias ?? null, type: one.type, value: one.value,
    historical: one.isHistorical ?? false })) });
  return found;
};
const death = { topic: `spBv1.0/${GROUP}/NDEATH/${NODE}`, payload: pack([metric(["bdSeq", "UInt64", 0])]), qos: 1,
  retain: false };
const client = mqtt.connect({ host: "127.0.0.1", port, clientId: `js-${role}`, protocolVersion: 4,
  ...(role === "node" ? { will: death } : {}) });
const lines = require("readline").createInterface({ input: process.stdin });
lines.on("close", () => client.end(true, () => process.exit(0)));
client.on("error", (error) => { say({ kind: "error", text: String(error) }); process.exit(1); });

if (role === "node") {
  const born = () => {
    seq = 0;
    client.publish(`spBv1.0/${GROUP}/NBIRTH/${NODE}`, pack([metric(["bdSeq", "UInt64", 0]),
      metric(["Node Control/Rebirth", "Boolean", false])], { seq: turn() }));
    client.publish(`spBv1.0/${GROUP}/DBIRTH/${NODE}/${DEVICE}`, pack(VALUES.map((one, at) => metric(one,
      { alias: at + 1, properties: { engUnit: { type: "String", value: "°C" } } })), { seq: turn() }));
  };
  client.on("connect", () => client.subscribe([`spBv1.0/${GROUP}/NCMD/${NODE}`, `spBv1.0/${GROUP}/DCMD/${NODE}/+`],
    { qos: 1 }, () => { born(); say({ kind: "ready" }); }));
  client.on("message", (topic, body) => {
    for (const one of tell(topic, body).metrics ?? []) {
      if (one.name === "Node Control/Rebirth") born();
      if (one.name === "setpoint") client.publish(`spBv1.0/${GROUP}/DDATA/${NODE}/${DEVICE}`,
        pack([metric(["setpoint", "Int32", one.value])], { seq: turn() }));
    }
  });
  lines.on("line", () => {
    const data = (one, alias, more) => ({ ...metric(one, { alias, ...more }), name: undefined });
    client.publish(`spBv1.0/${GROUP}/DDATA/${NODE}/${DEVICE}`,
      pack([data(["", "Double", 3.25], 8), data(["", "Int8", 7], 1)], { seq: turn() }));
    client.publish(`spBv1.0/${GROUP}/DDATA/${NODE}/${DEVICE}`,
      pack([data(["", "Float", 0.5], 7, { timestamp: 1750000000000, isHistorical: true })], { seq: turn() }));
  });
} else {
  client.on("connect", () => client.subscribe("spBv1.0/ours/#", { qos: 1 }, () => say({ kind: "ready" })));
  client.on("message", (topic, body) => { if (!topic.includes("CMD/")) tell(topic, body); });
  lines.on("line", (line) => {
    const asked = JSON.parse(line);
    const kind = asked.device ? `DCMD/${asked.node}/${asked.device}` : `NCMD/${asked.node}`;
    const type = { DOUBLE: "Double", BOOLEAN: "Boolean" }[asked.type];
    client.publish(`spBv1.0/ours/${kind}`, pack([metric([asked.metric, type, asked.value])]));
  });
}
