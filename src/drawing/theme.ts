/**
 * Colours and type, in light and dark. Text is in ink, marks in the colour of what they stand for; the eight colours are
 * told apart with the common colour blindnesses, each in its own scheme, and every mark is labelled besides.
 */
const LIGHT = {
  surface: '#fcfcfb',
  ink: '#0b0b0b',
  soft: '#52514e',
  grid: '#e4e3dd',
  axis: '#b5b4ab',
  series: ['#1f66bd', '#b84712', '#0f7a53', '#8a5b00', '#b83a70', '#526e00', '#4a3aa7', '#c93635'],
};

const DARK = {
  surface: '#1a1a19',
  ink: '#f4f4f1',
  soft: '#c3c2b7',
  grid: '#30302d',
  axis: '#5d5c56',
  series: ['#4a94ec', '#e8703e', '#27b583', '#d79a1c', '#e0709c', '#8db32b', '#9d93ee', '#ec7170'],
};

export const SERIES_COLOURS = LIGHT.series.length;

const variables = ({ surface, ink, soft, grid, axis, series }: typeof LIGHT): string =>
  `--surface:${surface};--ink:${ink};--soft:${soft};--grid:${grid};--axis:${axis};` +
  series.map((colour, i) => `--s${i}:${colour}`).join(';');

const series = (attribute: 'fill' | 'stroke', prefix: string): string =>
  LIGHT.series.map((_, i) => `.${prefix}${i}{${attribute}:var(--s${i})}`).join('');

/** Of drawings, in a page or alone. */
export const DRAWING_STYLE = `
svg{font:12px system-ui,"DejaVu Sans",sans-serif;display:block;width:100%;height:auto}
text{fill:var(--soft)}
.name,.value,.group{fill:var(--ink)}
.group{font-weight:600}
.tick,.value{font-variant-numeric:tabular-nums}
.grid{stroke:var(--grid)}
.axis{stroke:var(--axis)}
.over{paint-order:stroke;stroke:var(--surface);stroke-width:5}
.event{stroke:var(--soft);stroke-dasharray:2 3}
.silence{fill:var(--soft);opacity:.28}
.curve{fill:none;stroke-width:2;stroke-linejoin:round}
.thin{stroke-width:1;opacity:.65}
.leader{stroke-width:1}
.range{stroke-width:2;opacity:.5}
.dot{stroke:var(--surface);stroke-width:1.5}
.area{opacity:.15}
.part{stroke:var(--surface)}
${series('fill', 'f')}
${series('stroke', 'c')}`;

const ROOT = `:root{color-scheme:light dark;${variables(LIGHT)}}@media(prefers-color-scheme:dark){:root{${variables(DARK)}}}`;

export const PAGE_STYLE = `${ROOT}
body{margin:0 auto;max-width:820px;padding:2rem 1.2rem 4rem;background:var(--surface);color:var(--ink);
font:15px/1.5 system-ui,"DejaVu Sans",sans-serif}
h1{font-size:1.6rem;margin:0 0 .3rem}h2{font-size:1.25rem;margin:3rem 0 .3rem}
h3{font-size:1rem;margin:1.8rem 0 .4rem}
p,dl,figcaption,caption{color:var(--soft);margin:.3rem 0}
figure{margin:1rem 0}figcaption{font-size:.85rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:.85rem;margin:.8rem 0}
th,td{padding:.2rem .8rem .2rem 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--grid)}
th{font-weight:600}td{overflow-wrap:anywhere}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.profile table{font-size:.78rem}.profile th,.profile td{padding-right:.55rem;white-space:nowrap}.profile p{font-size:.85rem}
summary{color:var(--soft);cursor:pointer;font-size:.85rem}
dt{font-weight:600;font-size:.85rem}dd{margin:0 0 .3rem 1rem;font-size:.85rem;overflow-wrap:anywhere}
${DRAWING_STYLE}`;

/** A drawing as a file of its own, which brings its style and its ground along. */
export const alone = (svg: string): string => {
  const ground = 'svg{background:var(--surface)}';
  return svg.replace('>', `><style>${ROOT}${ground}${DRAWING_STYLE}</style>`);
};

/** The same name has the same colour in every plot. */
const FIXED = ['byzfs', 'byzfs-f0', 'synced', 'local', 'bindfs', 'sshfs', 'gluster', 'floor'];

export function colourOf(name: string, names: readonly string[]): number {
  const fixed = FIXED.indexOf(name);
  if (fixed >= 0) return fixed;
  const free = FIXED.flatMap((known, i) => (names.includes(known) ? [] : [i]));
  const others = names.filter((each) => !FIXED.includes(each));
  return (free.length > 0 ? free : [0])[others.indexOf(name) % Math.max(1, free.length)];
}
