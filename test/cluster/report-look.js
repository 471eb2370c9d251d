// Runs in a browser, in the page of the report: looks at what has become of it. See report-page.test.ts.
function look() {
  const texts = [...document.querySelectorAll('svg text')];
  const boxes = texts.map((text) => ({ text, svg: text.closest('svg'), box: text.getBoundingClientRect() }));
  const shown = ({ text }) => text.textContent ?? '';
  const outside = boxes.filter(({ svg, box }) => {
    const frame = svg.getBoundingClientRect();
    const tolerated = 1.5;
    return (
      box.left < frame.left - tolerated ||
      box.right > frame.right + tolerated ||
      box.top < frame.top - tolerated ||
      box.bottom > frame.bottom + tolerated
    );
  });
  const overlapping = [];
  for (const [i, a] of boxes.entries()) {
    for (const b of boxes.slice(i + 1)) {
      if (a.svg !== b.svg) continue;
      // Boxes are as high as the line; glyphs are not.
      const across = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left);
      const down = Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top);
      if (across > 1 && down > 4) overlapping.push(`${shown(a)} / ${shown(b)}`);
    }
  }
  const luminance = (colour) => {
    const [r, g, b] = colour
      .match(/\d+/g)
      .map((value) => Number(value) / 255)
      .map((value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = luminance(getComputedStyle(document.body).backgroundColor);
  const contrast = (colour) => {
    const [low, high] = [luminance(colour), ground].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const marks = [...document.querySelectorAll('.dot, .curve, .part')].map((mark) => {
    const { fill, stroke } = getComputedStyle(mark);
    return contrast(mark.classList.contains('curve') ? stroke : fill);
  });
  return {
    dark: ground < 0.5,
    texts: texts.length,
    outside: outside.map(shown),
    overlapping,
    leastOfTexts: Math.min(...texts.map((text) => contrast(getComputedStyle(text).fill))),
    leastOfMarks: Math.min(...marks),
    wider: document.documentElement.scrollWidth > window.innerWidth,
    requests: performance.getEntriesByType('resource').length,
  };
}

document.title = JSON.stringify(look());
