/// <reference lib="dom" />
/** Elements of the page. Text only ever gets in as text. */

export function byId(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no ${id}`);
  return element;
}

export function write(id: string, text: string, className?: string): void {
  const element = byId(id);
  element.textContent = text;
  if (className !== undefined) element.className = className;
}

export function make(name: string, text: string, className = ''): HTMLElement {
  const element = document.createElement(name);
  element.textContent = text;
  if (className !== '') element.className = className;
  return element;
}

const SVG = 'http://www.w3.org/2000/svg';

export function makeSvg(name: string, attributes: Readonly<Record<string, string | number>>, text?: string): Element {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) {
    element.setAttribute(key, typeof value === 'number' ? value.toFixed(1) : value);
  }
  if (text !== undefined) element.textContent = text;
  return element;
}
