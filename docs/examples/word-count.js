/** @type {import('agentwire/agent').Agent} */
const wordCount = {
  name: 'word-count',
  description: 'Counts the words of a text, line by line.',

  async *run({ input, progress }) {
    if (typeof input !== 'string') throw Object.assign(new Error('the input must be text'), { code: 'bad_input' });
    const lines = input.split('\n');
    let words = 0;
    for (const [i, line] of lines.entries()) {
      const found = line.split(/\s+/).filter(Boolean).length;
      words += found;
      progress({ percent: (100 * (i + 1)) / lines.length });
      yield `line ${i + 1}: ${found}\n`;
    }
    return { lines: lines.length, words };
  },
};

export default wordCount;
