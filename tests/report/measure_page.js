// Measures pages in frames: what sticks out, what is cut, what is too pale.
function colour(text) {
  const found = text.match(/[\d.]+%?/g).map(Number);
  return found.length < 4 ? [...found, 1] : found;
}

function over(top, below) {
  return [0, 1, 2]
    .map((i) => top[i] * top[3] + below[i] * (1 - top[3]))
    .concat(1);
}

function background(element) {
  if (!element) return [255, 255, 255, 1];
  const own = colour(getComputedStyle(element).backgroundColor);
  return own[3] === 1 ? own : over(own, background(element.parentElement));
}

function luminance(rgb) {
  const [r, g, b] = rgb.map((x) => {
    x /= 255;
    return x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(element) {
  const below = background(element);
  const text = over(colour(getComputedStyle(element).color), below);
  const [dark, light] = [luminance(text), luminance(below)].sort(
    (a, b) => a - b
  );
  return (light + 0.05) / (dark + 0.05);
}

function ownText(element) {
  return [...element.childNodes].some(
    (node) => node.nodeType === 3 && node.data.trim()
  );
}

function measure(frame) {
  const page = frame.contentDocument;
  for (const one of page.querySelectorAll("details")) one.open = true;
  const width = page.documentElement.clientWidth;
  const found = { width, hacked: "hacked" in frame.contentWindow, wrong: [] };
  found.pageWidth = page.documentElement.scrollWidth;
  found.background = getComputedStyle(page.body).backgroundColor;
  found.names = Math.min(
    ...[...page.querySelectorAll("bdi")].map(
      (one) => one.getBoundingClientRect().width
    )
  );
  let texts = 0;
  for (const one of page.body.querySelectorAll("*")) {
    const box = one.getBoundingClientRect();
    const where = `${one.tagName}.${one.className}: ${one.textContent.trim()}`;
    if (!one.closest(".scroll") && (box.left < 0 || box.right > width + 1)) {
      found.wrong.push("sticks out: " + where);
    }
    if (!ownText(one) || !box.width || !box.height) continue;
    const style = getComputedStyle(one);
    if (parseFloat(style.fontSize) < 2) continue; // for readers of the page
    texts += 1;
    if (parseFloat(style.fontSize) < 11) found.wrong.push("small: " + where);
    if (one.matches(".bar span, .chip") && one.scrollWidth > box.width + 1) {
      found.wrong.push("cut: " + where);
    }
    const ratio = contrast(one);
    if (ratio < 4.5) found.wrong.push(`pale (${ratio.toFixed(1)}): ` + where);
  }
  found.texts = texts;
  return found;
}

addEventListener("load", () => {
  const frames = [...document.querySelectorAll("iframe")];
  const result = JSON.stringify(frames.map(measure));
  document.querySelector("pre").textContent = result;
});
