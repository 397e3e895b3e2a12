// SPDX-License-Identifier: Apache-2.0
// Makes and fills nodes of the page. All texts go in as text, never as HTML.

export const $ = (selector, root = document) => root.querySelector(selector);

export function make(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (key in node) node[key] = value;
    else node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

export function draw(tag, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

/** Writes only what has changed, so that a selection and a screen reader stay where they are. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Fills a list of terms and what they are. */
export function facts(node, pairs) {
  while (node.children.length > pairs.length) node.lastChild.remove();
  pairs.forEach(([term, value], index) => {
    if (!node.children[index]) node.append(make("div", {}, make("dt"), make("dd")));
    say($("dt", node.children[index]), term);
    say($("dd", node.children[index]), value);
  });
}
