// Reads GLB files with code of other people: the Khronos validator and the meshopt decoder of npm.
// node check_glb.mjs WEB_FOLDER OUT_FOLDER FILE…  → JSON: per file the validator's messages about the tile as it is,
// and about the same tile decompressed, which it also leaves as OUT_FOLDER/<n>.glb.
import { createRequire } from "node:module";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [web, out, ...files] = process.argv.slice(2);
const require = createRequire(join(web, "package.json"));
const validator = require("gltf-validator");
const { MeshoptDecoder } = await import(require.resolve("meshoptimizer"));
await MeshoptDecoder.ready;

const EXTENSION = "EXT_meshopt_compression";

function parse(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getUint32(12, true);
  const json = JSON.parse(new TextDecoder().decode(bytes.subarray(20, 20 + length)));
  return { json, bin: bytes.subarray(28 + length) };
}

function plain({ json, bin }) {
  const parts = [];
  let offset = 0;
  for (const view of json.bufferViews) {
    const packed = view.extensions[EXTENSION];
    const source = bin.subarray(packed.byteOffset, packed.byteOffset + packed.byteLength);
    const target = new Uint8Array(packed.count * packed.byteStride);
    MeshoptDecoder.decodeGltfBuffer(target, packed.count, packed.byteStride, source, packed.mode, packed.filter);
    Object.assign(view, { buffer: 0, byteOffset: offset });
    delete view.extensions;
    parts.push(target, new Uint8Array((4 - (target.length % 4)) % 4));
    offset += target.length + parts.at(-1).length;
  }
  json.buffers = [{ byteLength: offset }];
  json.extensionsUsed = json.extensionsUsed.filter((name) => name !== EXTENSION);
  json.extensionsRequired = json.extensionsRequired.filter((name) => name !== EXTENSION);
  const text = new TextEncoder().encode(JSON.stringify(json));
  const padded = new Uint8Array(text.length + ((4 - (text.length % 4)) % 4)).fill(32);
  padded.set(text);
  const head = new DataView(new ArrayBuffer(20));
  [0x46546c67, 2, 28 + padded.length + offset, padded.length, 0x4e4f534a].forEach((v, i) => head.setUint32(4 * i, v, true));
  const middle = new DataView(new ArrayBuffer(8));
  [offset, 0x004e4942].forEach((v, i) => middle.setUint32(4 * i, v, true));
  return Buffer.concat([Buffer.from(head.buffer), padded, Buffer.from(middle.buffer), ...parts.map((p) => Buffer.from(p))]);
}

const reports = [];
for (const [number, file] of files.entries()) {
  const bytes = new Uint8Array(readFileSync(file));
  const asItIs = await validator.validateBytes(bytes, { maxIssues: 0 });
  const unpacked = plain(parse(bytes));
  writeFileSync(join(out, `${number}.glb`), unpacked);
  const decoded = await validator.validateBytes(new Uint8Array(unpacked), { maxIssues: 0 });
  reports.push({
    file,
    packed: asItIs.issues,
    plain: decoded.issues,
    info: decoded.info,
  });
}
console.log(JSON.stringify(reports));
