// Uses the pages in frames as a person with a keyboard does.
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

async function until(test) {
  for (let turn = 0; turn < 400; turn += 1) {
    const found = test();
    if (found) return found;
    await sleep(25);
  }
  throw new Error(`waited in vain for ${test}`);
}

function key(element, name) {
  const Event = element.ownerDocument.defaultView.KeyboardEvent;
  element.dispatchEvent(
    new Event("keydown", { key: name, bubbles: true, cancelable: true })
  );
}

function set(element, value) {
  element.value = value;
  element.dispatchEvent(new Event("input", { bubbles: true }));
}

async function drive(frame) {
  const page = frame.contentDocument;
  const one = (selector) => page.querySelector(selector);
  const all = (selector) => [...page.querySelectorAll(selector)];
  const texts = (selector) => all(selector).map((x) => x.textContent);
  const lists = () => all("#models section").map(
    (box) => [...box.querySelectorAll("li b")].map((x) => x.textContent));
  const found = {};
  await until(() => lists().length === 1);
  found.popular = lists()[0];
  found.secondHidden = one("#second-row").hidden;

  one("#search").focus();
  set(one("#search"), "a");
  await until(() => all("#found li").length > 1);
  key(one("#search"), "ArrowDown");
  found.active = one("#search").getAttribute("aria-activedescendant");
  found.selected = texts("#found li[aria-selected=true]");
  key(one("#search"), "Escape");
  found.closed = one("#found").hidden;
  set(one("#search"), "green");
  await until(() => texts("#found li")[0] === "Green Tea (tea)");
  key(one("#search"), "Enter");
  await until(() => one(".scroll table"));
  found.history = texts("#history .what");
  found.focus = page.activeElement.id;
  found.first = lists()[0];
  one("#models li button").click();
  await until(() => all(".scroll tbody tr").length === 2);
  found.added = texts("#history .what");
  found.rows = texts(".scroll tbody th");
  found.interests = texts(".scroll thead th").length - 1;
  set(one("#interests"), 1);
  await until(() => texts(".scroll thead th").length === 2);
  found.cells = texts(".scroll tbody td");
  found.reasons = texts("#models small");

  set(one("#k"), 3);
  await until(() => lists()[0].length === 3);
  set(one("#second"), "times");
  await until(() => lists().length === 2);
  found.sizes = lists().map((list) => list.length);
  found.hour = !one("#hour-row").hidden;
  set(one("#user"), "an");
  await until(() => all("#users option").length);
  found.users = all("#users option").map((x) => x.value);
  set(one("#user"), "ann");
  one("#load").click();
  await until(() => texts("#history .what")[0] === "Hostile <b>é</b>");
  found.loaded = texts("#history .what");
  await until(() => texts(".scroll tbody th").length === 3);
  one("#history button").click();
  await until(() => all("#history li").length === 2);
  await until(() => texts(".scroll tbody th").length === 2);
  found.afterRemoval = page.activeElement.tagName;
  found.status = one("#status").textContent;
  found.error = one("#error").hidden;
  found.names = all("button, input, select").filter(
    (x) => !x.closest("[hidden]")).every((x) => x.textContent.trim() ||
      x.getAttribute("aria-label") || x.labels.length);
  return found;
}

addEventListener("load", async () => {
  const frames = [...document.querySelectorAll("iframe")];
  let result;
  try {
    const found = [];
    for (const frame of frames) {
      const used = await drive(frame);
      found.push({ used, measured: measure(frame) });
    }
    result = { found };
  } catch (error) {
    result = { error: String(error) };
  }
  document.querySelector("pre").textContent = JSON.stringify(result);
});
