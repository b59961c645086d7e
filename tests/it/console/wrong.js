// What no page of the console may have: gives a list of what is wrong with the one that is open.
const wrong = [];
const say = (what, element) => wrong.push(`${what}: ${element.outerHTML.slice(0, 160)}`);
if (document.documentElement.lang !== "en") wrong.push("no language");
if (!document.title) wrong.push("no title");
for (const landmark of ["main", "h1"]) {
  const found = document.querySelectorAll(landmark).length;
  if (found !== 1) wrong.push(`${found} of ${landmark}`);
}
for (const element of document.querySelectorAll("*")) {
  for (const attribute of element.attributes) {
    if (attribute.name === "style" || attribute.name.startsWith("on")) say("inline", element);
    if (/^\s*javascript:/i.test(attribute.value)) say("a script in an address", element);
  }
}
for (const script of document.scripts) if (!script.src) say("inline", script);
const ids = new Set();
for (const element of document.querySelectorAll("[id]")) {
  if (ids.has(element.id)) say("an id twice", element);
  ids.add(element.id);
}
for (const field of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
  if (field.labels.length === 0 && !field.ariaLabel) say("no label", field);
}
for (const time of document.querySelectorAll("time")) {
  if (!/^\d{4}-\d\d-\d\dT.*Z$/.test(time.dateTime) || !time.title) say("a time", time);
}
for (const image of document.querySelectorAll("svg:not([aria-hidden])")) {
  if (!image.ariaLabel) say("no words", image);
}
for (const link of document.querySelectorAll("a:not([href]), a[href='']")) say("leads nowhere", link);
// Everything that a table holds is seen without scrolling, and no name is torn within a word.
for (const box of document.querySelectorAll(".scroll")) {
  const hidden = box.scrollWidth - box.clientWidth;
  if (hidden > 1) say(`${hidden} px are hidden`, box);
}
for (const name of document.querySelectorAll(".name")) {
  if (!name.checkVisibility()) continue;
  const parts = document.createTreeWalker(name, NodeFilter.SHOW_TEXT);
  for (let part = parts.nextNode(); part; part = parts.nextNode()) {
    if (part.data.length > 24 || /[-/\s]/.test(part.data)) continue;
    const range = document.createRange();
    range.selectNodeContents(part);
    const lines = new Set([...range.getClientRects()].map((line) => Math.round(line.top)));
    if (lines.size > 1) say(`${part.data} is torn`, name);
  }
}
for (const field of document.querySelectorAll("input[type=datetime-local]")) {
  if (field.offsetWidth < 210) say("a time is cut", field);
}
// Text stands out from what is behind it as WCAG asks for (AA, 1.4.3).
const channels = (color) => {
  const [red, green, blue, alpha = 1] = color.match(/[\d.]+/g).map(Number);
  return { rgb: [red, green, blue], alpha };
};
const light = (rgb) => {
  const [red, green, blue] = rgb.map((n) => n / 255)
    .map((n) => (n <= 0.04045 ? n / 12.92 : ((n + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};
const behind = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const { rgb, alpha } = channels(getComputedStyle(at).backgroundColor);
    if (alpha === 1) return rgb;
    if (alpha > 0) say("a ground that is seen through", at);
  }
  return [255, 255, 255];
};
const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
for (let text = texts.nextNode(); text; text = texts.nextNode()) {
  const element = text.parentElement;
  if (!text.data.trim() || !element.checkVisibility()) continue;
  const style = getComputedStyle(element);
  const drawn = element instanceof SVGElement ? style.fill : style.color;
  const pair = [light(channels(drawn).rgb), light(behind(element))].sort((a, b) => b - a);
  const size = parseFloat(style.fontSize);
  const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
  const contrast = (pair[0] + 0.05) / (pair[1] + 0.05);
  if (contrast < (large ? 3 : 4.5)) say(`contrast ${contrast.toFixed(2)}`, element);
}
return wrong;
