// Elements without markup in strings: what comes from outside is text, never HTML.

export function h(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties || {})) {
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

// Changes only what differs, so that focus, selection and scrolling stay where they are.
export function morph(parent, wanted) {
  const list = [].concat(wanted).filter(Boolean);
  for (let i = 0; i < list.length; ++i) {
    const old = parent.childNodes[i];
    const now = typeof list[i] === "object" ? list[i] : document.createTextNode(list[i]);
    if (!old) parent.append(now);
    else if (old.nodeType !== now.nodeType || old.nodeName !== now.nodeName || old.dataset?.key !== now.dataset?.key) old.replaceWith(now);
    else if (old.nodeType === 3) { if (old.data !== now.data) old.data = now.data; }
    else if (!old.dataset.keep) patch(old, now);
  }
  while (parent.childNodes.length > list.length) parent.lastChild.remove();
}

function patch(old, now) {
  for (const {name} of [...old.attributes]) if (name !== "open" && !now.hasAttribute(name)) old.removeAttribute(name);
  for (const {name, value} of now.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  morph(old, [...now.childNodes]);
}

export function table(caption, heads, rows) {
  const cell = (tag, content, numeric, scope) => h(tag, {class: numeric ? "n" : null, scope}, content);
  return h("div", {}, h("p", {class: "quiet"}, caption), h("div", {class: "table", tabindex: "0", role: "region", "aria-label": caption},
    h("table", {"aria-label": caption},
      h("thead", {}, h("tr", {}, heads.map((head) => cell("th", head.name, head.numeric, "col")))),
      h("tbody", {}, rows.map((row) => h("tr", {},
        row.map((content, i) => (i === 0 ? cell("th", content, false, "row") : cell("td", content, heads[i].numeric, null)))))))));
}

// Width is set as a property: the page's policy allows no style in markup.
export function bar(share, label, mark, large) {
  const fill = h("i");
  const made = h("div", {class: large ? "bar large" : "bar", role: "img", "aria-label": label, "data-keep": "", "data-key": `${share.toFixed(3)}/${mark ?? ""}`}, fill);
  fill.style.width = `${Math.min(100, Math.max(0, share * 100))}%`;
  if (mark !== undefined) {
    const line = h("b");
    line.style.left = `calc(${Math.min(100, mark * 100)}% - 2px)`;
    made.append(line);
  }
  return made;
}

export const pairs = (list) => h("dl", {class: "pairs"}, list.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
