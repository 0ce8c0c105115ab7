// Clicks through the registry's pages: `node web_pages.mjs CLOSED EMPTY CHROMIUM [PICTURES]`. Says `ok` or `FAILED`, a tab and a promise,
// a line each.
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const [closed, empty, executablePath, pictures] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
if (pictures) mkdirSync(pictures, { recursive: true });

async function promise(name, work) {
  try {
    await work();
    console.log(`ok\t${name}`);
  } catch (error) {
    console.log(`FAILED\t${name}\n${error.stack}`);
  }
}

function must(holds, words) {
  if (!holds) throw new Error(words);
}

// A browser of its own, and all that went wrong in it.
async function visit(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const wrong = [];
  // That a page is refused with 401, 403 or 404 is told as an error too.
  page.on("console", (message) => {
    const isRefusal = message.text().startsWith("Failed to load resource") && /40[0134]/.test(message.text());
    if (["error", "warning"].includes(message.type()) && !isRefusal) wrong.push(message.text());
  });
  page.on("pageerror", (error) => wrong.push(String(error)));
  page.on("dialog", (dialog) => { wrong.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on("request", (request) => {
    if (!request.url().startsWith(closed) && !request.url().startsWith(empty)) wrong.push(`asked for ${request.url()}`);
  });
  return { context, page, wrong };
}

async function signIn(page, user = "bob") {
  await page.goto(`${closed}/signin`);
  await page.getByLabel("User").fill(user);
  await page.getByLabel("Password").fill("secret");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL(`${closed}/`);
}

const indexed = async (query) => {
  const headers = { authorization: `Basic ${Buffer.from("ann:secret").toString("base64")}` };
  const answer = await fetch(`${closed}/basalt/v1/search?package=${encodeURIComponent(query)}`, { headers });
  return (await answer.json()).total;
};
await promise("what was pushed can be searched soon", async () => {
  for (let tries = 0; tries < 120 && (await indexed("libc6")) < 20; tries += 1) await new Promise((next) => setTimeout(next, 500));
  must((await indexed("libc6")) === 20, `libc6 is in ${await indexed("libc6")} images`);
});

const PAGES = [
  ["front", "/"], ["front-page-2", "/?page=2"], ["front-filtered", "/?q=nothing-like-this"], ["repository", "/r/team/app"],
  ["repository-version", "/r/team/app?sort=version"], ["image", "/r/base:trixie"], ["image-arm64", "/r/team/python:3.13?platform=linux/arm64"],
  ["image-large", "/r/desktop/workstation:2026.11"], ["image-bare", "/r/scratch:latest"], ["image-hostile", "/r/hostile:latest"],
  ["packages", "/search"], ["packages-found", "/search?q=liblzma5+<+5.4"], ["packages-many", "/search?q=libc6"],
  ["packages-none", "/search?q=nothing-like-this"], ["packages-wrong", "/search?q=liblzma5+<"], ["not-there", "/r/team/app:none"],
  ["not-open", "/r/secret/plans:top"],
];

for (const colorScheme of ["light", "dark"]) {
  const { context, page, wrong } = await visit({ colorScheme });
  await signIn(page);
  const bill = await page.request.get(`${closed}/r/base:trixie`);
  const attached = /href="(\/r\/base@sha256:[0-9a-f]{64})"[^>]*><code class="digest"/.exec((await bill.text()).split('id="attached"')[1])[1];
  for (const [name, path] of [...PAGES, ["attached", attached]]) {
    await promise(`${name} is accessible in ${colorScheme}, and nothing goes wrong there`, async () => {
      wrong.length = 0;
      await page.goto(closed + path);
      if (pictures) await page.screenshot({ path: `${pictures}/${name}-${colorScheme}.png`, fullPage: name !== "image-large" });
      must(!(await page.evaluate("window.stolen")), "a script of an image ran");
      must(wrong.length === 0, wrong.join("\n"));
      // The policy forbids scripts from elsewhere, so the tool is put in from beneath.
      await page.evaluate(axe);
      const found = await page.evaluate(() => axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"] }));
      const words = found.violations.map((one) => `${one.id}: ${one.help}\n${one.nodes.slice(0, 3).map((node) => `  ${node.html}\n  ${node.failureSummary}`).join("\n")}`);
      must(words.length === 0, words.join("\n"));
      const width = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      must(width[0] <= width[1], `it is ${width[0]} wide in a window of ${width[1]}`);
    });
  }
  await context.close();
  const other = await visit({ colorScheme });
  for (const [name, address] of [["empty", `${empty}/`], ["sign-in", `${closed}/r/team/app`]]) {
    await promise(`${name} is accessible in ${colorScheme}, and nothing goes wrong there`, async () => {
      await other.page.goto(address);
      if (pictures) await other.page.screenshot({ path: `${pictures}/${name}-${colorScheme}.png` });
      await other.page.evaluate(axe);
      const found = await other.page.evaluate(() => axe.run());
      must(found.violations.length === 0, JSON.stringify(found.violations, null, 1));
      must(other.wrong.length === 0, other.wrong.join("\n"));
    });
  }
  await other.context.close();
}

await promise("pages fit a telephone", async () => {
  const { context, page } = await visit({ viewport: { width: 360, height: 740 } });
  await signIn(page);
  for (const [name, path] of PAGES) {
    await page.goto(closed + path);
    if (pictures) await page.screenshot({ path: `${pictures}/${name}-narrow.png` });
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    must(width <= 360, `${path} is ${width} wide`);
  }
  await context.close();
});

await promise("one clicks from the front page to an image, its platforms and the images that share a package", async () => {
  const { context, page, wrong } = await visit();
  await signIn(page);
  await page.getByRole("link", { name: "base", exact: true }).click();
  await page.getByRole("link", { name: "trixie" }).click();
  must((await page.getByRole("heading", { level: 1 }).textContent()) === "base:trixie", "it is not the image");
  must(await page.getByText("attached", { exact: true }).first().isVisible(), "no signature is shown");
  await page.getByRole("link", { name: /linux\/arm64/ }).click();
  must((await page.getByRole("link", { name: /linux\/arm64/ }).getAttribute("aria-current")) === "true", "it is not chosen");
  await page.locator("#package-list").getByRole("link", { name: "liblzma5" }).click();
  must((await page.getByRole("heading", { level: 1 }).textContent()) === "Packages", "it is not the search");
  await page.getByLabel("Package, and which versions").fill("liblzma5 < 5.4");
  await page.getByRole("button", { name: "Search" }).click();
  must(await page.getByText("6 images in 1 repository").isVisible(), await page.textContent("main"));
  await page.getByRole("link", { name: "team/app:1.0.0" }).first().click();
  must(page.url().includes("/r/team/app@sha256:"), page.url());
  must(wrong.length === 0, wrong.join("\n"));
  await context.close();
});

await promise("a list is filtered while one writes, and the command to pull is copied", async () => {
  const { context, page } = await visit({ permissions: ["clipboard-read", "clipboard-write"] });
  await signIn(page);
  await page.goto(`${closed}/r/team/app`);
  await page.getByLabel("Part of a tag").fill("1.1");
  must((await page.locator("tbody tr:visible").count()) === 2, "it does not filter");
  must((await page.textContent("#status")) === "2 of 8 shown", "it does not tell");
  await page.getByRole("button", { name: "Copy the command to pull 1.10.0" }).click();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  must(copied === `docker pull ${new URL(closed).host}/team/app:1.10.0`, copied);
  await context.close();
});

await promise("the keyboard reaches everything, and shows where it is", async () => {
  const { context, page } = await visit();
  await signIn(page);
  await page.goto(`${closed}/`);
  await page.keyboard.press("Tab");
  must((await page.evaluate("document.activeElement.textContent")) === "Skip to the content", "no link to the content");
  await page.keyboard.press("Enter");
  must((await page.evaluate("document.activeElement.id")) === "content", "it does not go to the content");
  const seen = new Set();
  for (let count = 0; count < 90; count += 1) {
    await page.keyboard.press("Tab");
    const [words, outline] = await page.evaluate(() => {
      const one = document.activeElement;
      return one === document.body ? [null] : [one.textContent || one.id, getComputedStyle(one).outlineStyle];
    });
    // Behind the last there is the browser itself.
    if (words === null) break;
    must(outline !== "none", `no focus is shown at ${words}`);
    seen.add(words);
  }
  must(seen.has("base") && seen.has("Next →") && seen.has("q"), [...seen].join(", "));
  await page.goto(`${closed}/r/base:trixie`);
  await page.keyboard.press("/");
  must((await page.evaluate("document.activeElement.id")) === "q", "the slash does not go to the field");
  await page.keyboard.type("zlib");
  await page.keyboard.press("Enter");
  await page.waitForURL(/q=zlib/);
  must((await page.locator("#package-list tbody tr").count()) === 1, "it does not look for it");
  await context.close();
});

await promise("all of it works without JavaScript", async () => {
  const { context, page } = await visit({ javaScriptEnabled: false });
  await signIn(page);
  must(await page.getByRole("link", { name: "base", exact: true }).isVisible(), "no repositories");
  await page.getByLabel("Name of a repository").fill("python");
  await page.getByRole("button", { name: "Search" }).click();
  must((await page.locator("tbody tr").count()) === 1, "it does not filter");
  await page.getByRole("link", { name: "team/python" }).click();
  must((await page.getByRole("button", { name: /Copy/ }).count()) === 0, "a button that does nothing is shown");
  await page.getByRole("link", { name: "3.13", exact: true }).click();
  await page.getByLabel("Part of a package’s name").fill("requests");
  await page.getByRole("button", { name: "Search" }).click();
  must((await page.locator("#package-list tbody tr").count()) === 1, "it does not look for packages");
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.goto(`${closed}/r/team/python`);
  must(await page.getByLabel("Password").isVisible(), "it is still signed in");
  await context.close();
});

await promise("who signs in comes back to the page that was asked for, and not with a wrong password", async () => {
  const { context, page } = await visit();
  await page.goto(`${closed}/r/team/app:2.0.0`);
  await page.getByLabel("User").fill("bob");
  await page.getByLabel("Password").fill("wrong");
  await page.getByRole("button", { name: "Sign in" }).click();
  must(await page.getByRole("alert").isVisible(), "it is not told");
  must((await page.getByLabel("User").inputValue()) === "bob", "the name is lost");
  await page.getByLabel("Password").fill("secret");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL(`${closed}/r/team/app:2.0.0`);
  const [cookie] = await context.cookies();
  must(cookie.httpOnly && cookie.sameSite === "Strict", JSON.stringify(cookie));
  must((await page.evaluate("document.cookie")) === "", "scripts see the cookie");
  await context.close();
});

await promise("what one may not pull is neither shown nor found", async () => {
  const { context, page } = await visit();
  await page.goto(`${closed}/`);
  must((await page.locator("tbody tr").count()) === 1, "who is not signed in sees more than is open to all");
  await signIn(page);
  await page.goto(`${closed}/?q=secret`);
  must(!(await page.content()).includes("plans"), "it is shown");
  const there = await page.goto(`${closed}/r/secret/plans`);
  const told = (await page.textContent("main")) + there.status();
  const absent = await page.goto(`${closed}/r/secret/other`);
  must(told === (await page.textContent("main")) + absent.status(), "it is told from what is not there");
  await context.close();
});

await browser.close();
console.log("done");
