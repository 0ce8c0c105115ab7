// Pushes images to look at, with bills of materials, provenance and signatures, as ann: `node web_images.mjs URL`.
import { createHash } from "node:crypto";

const [url] = process.argv.slice(2);
const authorization = `Basic ${Buffer.from("ann:secret").toString("base64")}`;
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const INDEX = "application/vnd.oci.image.index.v1+json";
const EMPTY = "application/vnd.oci.empty.v1+json";
export const HOSTILE = `"><script>window.stolen=1</script><img src=x onerror="window.stolen=1">`;

const digestOf = (bytes) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

async function send(method, target, body, type) {
  const headers = { authorization, ...(type && { "content-type": type }) };
  const answer = await fetch(url + target, { method, body, headers });
  if (answer.status !== 201) throw new Error(`${method} ${target}: ${answer.status} ${await answer.text()}`);
}

async function blob(repository, mediaType, content) {
  const bytes = Buffer.isBuffer(content) ? content : Buffer.from(typeof content === "string" ? content : JSON.stringify(content));
  const digest = digestOf(bytes);
  await send("POST", `/v2/${repository}/blobs/uploads/?digest=${digest}`, bytes, "application/octet-stream");
  return { mediaType, digest, size: bytes.length };
}

async function manifest(repository, document, reference) {
  const bytes = Buffer.from(JSON.stringify(document));
  const digest = digestOf(bytes);
  await send("PUT", `/v2/${repository}/manifests/${reference ?? digest}`, bytes, document.mediaType);
  return { mediaType: document.mediaType, digest, size: bytes.length };
}

// A layer for each list of packages, of a length that differs.
async function image(repository, { architecture = "amd64", lists, config = {}, annotations = {}, seed = 1, reference }) {
  const layers = [];
  for (const [place, list] of lists.entries()) {
    const noise = Buffer.alloc(list.length * 20_000 + 3_000, `${seed}${place}${architecture}`);
    layers.push(await blob(repository, "application/vnd.oci.image.layer.v1.tar+gzip", noise));
  }
  const configuration = {
    created: "2026-11-20T09:30:00Z", architecture, os: "linux", config,
    rootfs: { type: "layers", diff_ids: layers.map((layer) => layer.digest) },
    history: lists.map((list) => ({
      created: "2026-11-20T09:30:00Z", created_by: "basalt build", comment: list.length ? list.join(" ") : "generated files",
    })),
  };
  const document = {
    schemaVersion: 2, mediaType: MANIFEST,
    config: await blob(repository, "application/vnd.oci.image.config.v1+json", configuration), layers, annotations,
  };
  return manifest(repository, document, reference);
}

async function attach(repository, subject, mediaType, content, annotations = {}) {
  const document = {
    schemaVersion: 2, mediaType: MANIFEST, artifactType: mediaType, config: await blob(repository, EMPTY, "{}"),
    layers: [await blob(repository, mediaType, content)], subject, annotations,
  };
  return manifest(repository, document);
}

function spdx(packages) {
  return {
    spdxVersion: "SPDX-2.3", dataLicense: "CC0-1.0", SPDXID: "SPDXRef-DOCUMENT", name: "image", documentNamespace: "https://example.org/x",
    creationInfo: { created: "2026-11-20T09:30:00Z", creators: ["Tool: basalt-0.1.0"] }, files: [], relationships: [],
    packages: packages.map(([name, version, source, licence, type = "deb/debian"], place) => ({
      SPDXID: `SPDXRef-${place}`, name, versionInfo: version, downloadLocation: "NOASSERTION", licenseDeclared: licence ?? "NOASSERTION",
      externalRefs: [{
        referenceCategory: "PACKAGE-MANAGER", referenceType: "purl",
        referenceLocator: `pkg:${type}/${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=amd64${source ? `&upstream=${source}` : ""}`,
      }],
    })),
  };
}

const sign = (repository, subject) => attach(repository, subject, "application/vnd.dev.sigstore.bundle.v0.3+json", { mediaType: "x" }, {
  "dev.sigstore.bundle.content": "dsse-envelope", "dev.sigstore.bundle.predicateType": "https://sigstore.dev/cosign/sign/v1",
});
const provenance = (repository, subject) => attach(repository, subject, "application/vnd.in-toto+json",
  { _type: "https://in-toto.io/Statement/v1", subject: [], predicateType: "https://slsa.dev/provenance/v1", predicate: {} },
  { "in-toto.io/predicate-type": "https://slsa.dev/provenance/v1" });

const BASE = [
  ["base-files", "13.8+deb13u2", "", "GPL-2.0-or-later"], ["ca-certificates", "20250419", "", "MPL-2.0 AND GPL-2.0-or-later"],
  ["libc6", "2.41-12", "glibc", "LGPL-2.1-or-later AND BSD-3-Clause"], ["libssl3t64", "3.5.1-1+deb13u1", "openssl", "Apache-2.0"],
  ["liblzma5", "5.8.1-1", "xz-utils", "0BSD AND LGPL-2.1-or-later"], ["netbase", "6.5", "", "GPL-2.0-only"],
  ["tzdata", "2025b-4+deb13u1", "", "LicenseRef-public-domain"], ["zlib1g", "1:1.3.dfsg+really1.3.1-1+b1", "zlib", "Zlib"],
];
const LISTS = [["base-files", "netbase", "tzdata"], ["libc6"], ["libssl3t64", "zlib1g", "liblzma5", "ca-certificates"], []];
const CONFIG = {
  User: "65532:65532", Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"],
  Entrypoint: ["/usr/bin/app"], Cmd: ["--listen", "0.0.0.0:8080", "--greeting", "good day"], WorkingDir: "/srv", StopSignal: "SIGTERM",
  ExposedPorts: { "8080/tcp": {} }, Volumes: { "/var/lib/app": {} },
  Labels: { "org.opencontainers.image.title": "app", "org.opencontainers.image.source": "https://git.example/team/app" },
};
const ANNOTATIONS = {
  "org.opencontainers.image.title": "base", "org.opencontainers.image.description": "The smallest image that has certificates and time zones.",
  "org.opencontainers.image.version": "trixie", "org.opencontainers.image.source": "https://git.example/images/base",
};

async function both(repository, { seed, tag, packages = BASE, config = CONFIG, lists = LISTS }) {
  const platforms = [];
  for (const architecture of ["amd64", "arm64"]) {
    const one = await image(repository, { architecture, lists, config, seed, annotations: ANNOTATIONS });
    await attach(repository, one, "application/spdx+json", spdx(packages), { "io.github.basalt-images.made-by": "basalt" });
    await provenance(repository, one);
    platforms.push({ ...one, platform: { os: "linux", architecture } });
  }
  const document = { schemaVersion: 2, mediaType: INDEX, manifests: platforms, annotations: ANNOTATIONS };
  const index = await manifest(repository, document, tag);
  await sign(repository, index);
  return index;
}

await both("base", { seed: "base", tag: "trixie" });
const large = Array.from({ length: 620 }, (_, place) => [`library-${String(place).padStart(3, "0")}`, `1.${place}-1`, `source-${place % 90}`, "MIT"]);
const python = [...BASE, ...large.slice(0, 40), ["requests", "2.32.5", "", "Apache-2.0", "pypi"], ["urllib3", "2.5.0", "", "MIT", "pypi"]];
await both("team/python", { seed: "python", tag: "3.13", packages: python, lists: [...LISTS, large.slice(0, 40).map(([name]) => name)] });
for (const [place, version] of ["1.0.0", "1.1.0", "1.2.0", "1.9.3", "1.10.0", "2.0.0-rc.1", "2.0.0"].entries()) {
  const old = BASE.map(([name, ...rest]) => (name === "liblzma5" && place < 3 ? [name, "5.2.5-2.1~deb11u1", "xz-utils", "LGPL-2.1-or-later"] : [name, ...rest]));
  await both("team/app", { seed: `app${place}`, tag: version, packages: old });
}
await both("team/app", { seed: "app6", tag: "latest" });
const desktop = await image("desktop/workstation", { lists: [large.map(([name]) => name)], seed: "desktop", reference: "2026.11" });
await attach("desktop/workstation", desktop, "application/spdx+json", spdx([...BASE, ...large]));
// Nothing is attached to this one.
await image("scratch", { lists: [[]], seed: "scratch", reference: "latest" });
// This one has hostile words wherever there can be words.
const hostile = await image("hostile", {
  lists: [[HOSTILE.replaceAll(" ", "")], []], seed: "hostile", reference: "latest",
  config: { User: HOSTILE, Env: [`A=${HOSTILE}`], Entrypoint: [HOSTILE], Labels: { [HOSTILE]: HOSTILE, link: "javascript:window.stolen=1" } },
  annotations: { [HOSTILE]: HOSTILE, address: "javascript:window.stolen=1" },
});
await attach("hostile", hostile, "application/spdx+json", spdx([[HOSTILE, "1.0\"'<b>", "", "<script>window.stolen=1</script>"], ...BASE]));
await attach("hostile", hostile, "text/html", `<script>window.stolen=1</script>`, { note: HOSTILE });
await attach("hostile", hostile, "application/spdx+json", "{ this is no JSON");
await image("secret/plans", { lists: [[]], seed: "secret", reference: "top" });
for (let place = 0; place < 60; place += 1) {
  await image(`services/service-${String(place).padStart(2, "0")}`, { lists: [["libc6"]], seed: "service", reference: "latest" });
}
console.log("pushed");
