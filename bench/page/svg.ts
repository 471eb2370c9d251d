/** SVG and HTML as text. */
const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

export const escaped = (text: string): string => text.replace(/[&<>"]/g, (character) => ENTITIES[character]);

type Attributes = Readonly<Record<string, string | number>>;

/** To tenths of a pixel. */
const attribute = (value: string | number): string =>
  typeof value === 'number' ? String(Math.round(value * 10) / 10) : escaped(value);

/** @param content elements; text is to be escaped before */
export function element(name: string, attributes: Attributes = {}, ...content: readonly string[]): string {
  const written = Object.entries(attributes).map(([key, value]) => ` ${key}="${attribute(value)}"`);
  return `<${name}${written.join('')}>${content.join('')}</${name}>`;
}

export const text = (x: number, y: number, content: string, attributes: Attributes = {}): string =>
  element('text', { x, y, ...attributes }, escaped(content));

export const line = (x1: number, y1: number, x2: number, y2: number, attributes: Attributes = {}): string =>
  element('line', { x1, y1, x2, y2, ...attributes });

/** A drawing that is as wide as there is room, and never wider than it was made for. */
export function drawing(width: number, height: number, label: string, content: readonly string[]): string {
  const attributes = { xmlns: 'http://www.w3.org/2000/svg', viewBox: `0 0 ${Math.ceil(width)} ${Math.ceil(height)}` };
  return element(
    'svg',
    { ...attributes, role: 'img', 'aria-label': label, style: `max-width:${Math.ceil(width)}px` },
    ...content,
  );
}

/** How wide a text of 12 pixels is at most, in the fonts of the page. */
export const textWidth = (content: string): number => content.length * 6.9;

/**
 * Places for labels that want to be at `wanted`, at least `gap` apart, each as near as may be, within low … high.
 * @returns in the order of `wanted`
 */
export function spread(wanted: readonly number[], gap: number, low: number, high: number): number[] {
  const order = wanted.map((_, i) => i).sort((a, b) => wanted[a] - wanted[b]);
  // Neighbours that are too near become one group, centred on the mean of what its members want.
  const groups: { members: number[]; at: number }[] = [];
  const half = (members: readonly number[]) => ((members.length - 1) * gap) / 2;
  const settled = (members: number[]): { members: number[]; at: number } => {
    const mean = members.reduce((sum, i) => sum + wanted[i], 0) / members.length;
    const least = low + half(members);
    return { members, at: Math.max(least, Math.min(Math.max(least, high - half(members)), mean)) };
  };
  for (const i of order) {
    let group = settled([i]);
    for (;;) {
      const last = groups.at(-1);
      if (last === undefined || last.at + half(last.members) + gap <= group.at - half(group.members)) break;
      groups.pop();
      group = settled([...last.members, ...group.members]);
    }
    groups.push(group);
  }
  const places: number[] = [];
  for (const { members, at } of groups) {
    for (const [k, i] of members.entries()) places[i] = at - half(members) + k * gap;
  }
  return places;
}
