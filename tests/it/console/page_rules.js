// Returns the violations of the rules for all pages of the console in the current page.
const violations = [];
const report = (what, element) => violations.push(`${what}: ${element.outerHTML.slice(0, 160)}`);
if (document.documentElement.lang !== "en") violations.push("no language");
if (!document.title) violations.push("no title");
for (const landmark of ["main", "h1"]) {
  const found = document.querySelectorAll(landmark).length;
  if (found !== 1) violations.push(`${found} of ${landmark}`);
}
for (const element of document.querySelectorAll("*")) {
  for (const attribute of element.attributes) {
    if (attribute.name === "style" || attribute.name.startsWith("on")) report("inline", element);
    if (/^\s*javascript:/i.test(attribute.value)) report("a script in a URL", element);
  }
}
for (const script of document.scripts) if (!script.src) report("inline", script);
const ids = new Set();
for (const element of document.querySelectorAll("[id]")) {
  if (ids.has(element.id)) report("a duplicate id", element);
  ids.add(element.id);
}
for (const field of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
  if (field.labels.length === 0 && !field.ariaLabel) report("no label", field);
}
for (const time of document.querySelectorAll("time")) {
  if (!/^\d{4}-\d\d-\d\dT.*Z$/.test(time.dateTime) || !time.title) report("an invalid time", time);
}
for (const image of document.querySelectorAll("svg:not([aria-hidden])")) {
  if (!image.ariaLabel) report("no text alternative", image);
}
for (const link of document.querySelectorAll("a:not([href]), a[href='']")) report("no target", link);
// No table needs scrolling, and no name is broken within a word.
for (const box of document.querySelectorAll(".scroll")) {
  const hidden = box.scrollWidth - box.clientWidth;
  if (hidden > 1) report(`${hidden} px hidden`, box);
}
for (const name of document.querySelectorAll(".name")) {
  if (!name.checkVisibility()) continue;
  const parts = document.createTreeWalker(name, NodeFilter.SHOW_TEXT);
  for (let part = parts.nextNode(); part; part = parts.nextNode()) {
    if (part.data.length > 24 || /[-/\s]/.test(part.data)) continue;
    const range = document.createRange();
    range.selectNodeContents(part);
    const lines = new Set([...range.getClientRects()].map((line) => Math.round(line.top)));
    if (lines.size > 1) report(`${part.data} is broken`, name);
  }
}
for (const field of document.querySelectorAll("input[type=datetime-local]")) {
  if (field.offsetWidth < 210) report("a truncated time", field);
}
// Contrast of text to its background as WCAG requires (AA, 1.4.3).
const channels = (color) => {
  const [red, green, blue, alpha = 1] = color.match(/[\d.]+/g).map(Number);
  return { rgb: [red, green, blue], alpha };
};
const luminance = (rgb) => {
  const [red, green, blue] = rgb.map((n) => n / 255)
    .map((n) => (n <= 0.04045 ? n / 12.92 : ((n + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};
const background = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const { rgb, alpha } = channels(getComputedStyle(at).backgroundColor);
    if (alpha === 1) return rgb;
    if (alpha > 0) report("a translucent background", at);
  }
  return [255, 255, 255];
};
const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
for (let text = texts.nextNode(); text; text = texts.nextNode()) {
  const element = text.parentElement;
  if (!text.data.trim() || !element.checkVisibility()) continue;
  const style = getComputedStyle(element);
  const drawn = element instanceof SVGElement ? style.fill : style.color;
  const pair = [luminance(channels(drawn).rgb), luminance(background(element))].sort((a, b) => b - a);
  const size = parseFloat(style.fontSize);
  const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
  const contrast = (pair[0] + 0.05) / (pair[1] + 0.05);
  if (contrast < (large ? 3 : 4.5)) report(`contrast ${contrast.toFixed(2)}`, element);
}
return violations;
