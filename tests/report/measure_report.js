// Measures reports in frames: what sticks out, what is pale, what scrolls.
function luminance(text) {
  const [r, g, b] = text.match(/[\d.]+/g).map((x) => {
    x /= 255;
    return x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function background(element) {
  for (; element; element = element.parentElement) {
    const own = getComputedStyle(element).backgroundColor;
    if (own.startsWith("rgb(")) return own;
  }
  return "rgb(255, 255, 255)";
}

function contrast(element) {
  const colours = [getComputedStyle(element).color, background(element)];
  const [dark, light] = colours.map(luminance).sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

function ownText(element) {
  return [...element.childNodes].some(
    (node) => node.nodeType === 3 && node.data.trim()
  );
}

// Pixels of the smallest text of a figure as it is shown.
function smallestLetters(image) {
  const svg = atob(image.currentSrc.split(",")[1]);
  const sizes = [...svg.matchAll(/font(?:-size)?: (?:[a-z0-9]+ )*([\d.]+)px/g)];
  const width = Number(svg.match(/<svg [^>]*width="([\d.]+)pt"/)[1]);
  const scale = image.getBoundingClientRect().width / width;
  return Math.min(...sizes.map((one) => Number(one[1]))) * scale;
}

function measure(frame) {
  const page = frame.contentDocument;
  const width = page.documentElement.clientWidth;
  const found = { width, hacked: "hacked" in frame.contentWindow, wrong: [] };
  found.pageWidth = page.documentElement.scrollWidth;
  found.titles = [...page.querySelectorAll("h2")].map((one) => one.innerText);
  const boxes = [...page.querySelectorAll(".scroll")];
  found.scrolling = boxes.filter(
    (one) =>
      one.scrollWidth > one.clientWidth + 1 &&
      getComputedStyle(one).overflowX === "auto"
  ).length;
  const grid = [...page.querySelectorAll(".pictures")].find(
    (one) => one.children.length > 3
  );
  const lefts = [...grid.children].map((one) => one.offsetLeft);
  found.columns = new Set(lefts).size;
  const images = [...page.querySelectorAll(".pictures img")];
  found.figures = images.length;
  for (const image of page.images) {
    if (!image.complete || !image.naturalWidth) {
      found.wrong.push("not drawn: " + image.alt);
    }
  }
  const drawn = images.filter((image) => image.naturalWidth);
  found.smallestLetters = Math.min(...drawn.map(smallestLetters));
  for (const one of page.body.querySelectorAll("*")) {
    const box = one.getBoundingClientRect();
    const where = `${one.tagName}.${one.className}: ${one.textContent.trim()}`;
    const scrolls = one.parentElement.closest(".scroll");
    if (!scrolls && (box.left < 0 || box.right > width + 1)) {
      found.wrong.push("sticks out: " + where);
    }
    if (!ownText(one) || !box.width || !box.height) continue;
    const style = getComputedStyle(one);
    if (parseFloat(style.fontSize) < 11) found.wrong.push("small: " + where);
    const ratio = contrast(one);
    if (ratio < 4.5) found.wrong.push(`pale (${ratio.toFixed(1)}): ` + where);
  }
  return found;
}

addEventListener("load", () => {
  const frames = [...document.querySelectorAll("iframe")];
  const result = JSON.stringify(frames.map(measure));
  document.querySelector("pre").textContent = result;
});
