export interface Line {
  readonly name: string;
  readonly colour: string;
  readonly points: readonly (readonly [second: number, value: number])[];
}

export interface Plot {
  readonly title: string;
  readonly unit: string;
  readonly from: number;
  readonly to: number;
  readonly lines: readonly Line[];
}

const width = 620;
const height = 220;
const frame = { left: 56, right: 12, top: 30, bottom: 26 };

/** A line plot over the seconds of the test. */
export function svgOf({ title, unit, from, to, lines }: Plot): string {
  const top = roundUp(Math.max(1, ...lines.flatMap(({ points }) => points.map(([, value]) => value))));
  const x = (second: number): number =>
    frame.left + ((second - from) / Math.max(1, to - from)) * (width - frame.left - frame.right);
  const y = (value: number): number => height - frame.bottom - (value / top) * (height - frame.top - frame.bottom);
  const parts = [`<text x="${frame.left}" y="16" class="title">${title}, ${unit}</text>`];
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    const value = top * share;
    parts.push(
      `<line x1="${frame.left}" x2="${width - frame.right}" y1="${fixed(y(value))}" y2="${fixed(y(value))}" class="grid"/>`,
      `<text x="${frame.left - 6}" y="${fixed(y(value) + 4)}" class="left">${short(value)}</text>`,
    );
  }
  for (const share of [0, 0.5, 1]) {
    const second = Math.round(from + (to - from) * share);
    parts.push(`<text x="${fixed(x(second))}" y="${height - 8}" class="under">${second} s</text>`);
  }
  for (const [index, { name, colour, points }] of lines.entries()) {
    const path = points.map(([second, value]) => `${fixed(x(second))},${fixed(y(value))}`).join(' ');
    parts.push(
      `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      `<text x="${width - frame.right - (lines.length - 1 - index) * 80}" y="16" class="left" fill="${colour}">${name}</text>`,
    );
  }
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${title}">${parts.join('')}</svg>`;
}

/** To 1, 2 or 5 with noughts. */
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value)!;
}

function short(value: number): string {
  return value >= 10_000 ? `${value / 1000} k` : String(Number(value.toPrecision(3)));
}

function fixed(value: number): string {
  return value.toFixed(1);
}
