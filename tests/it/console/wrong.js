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
return wrong;
