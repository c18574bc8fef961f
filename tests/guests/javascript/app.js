// The word count in JavaScript.
import { allocate } from 'torvyn:streaming/buffer-allocator@0.1.0';

let threshold = 1n;
const seen = new Map();

// A thrown variant of the contract is the function's error; any other value that
// is thrown ends the call.
const invalid = (val) => ({ tag: 'invalid-input', val });

export const lifecycle = {
  init(config) {
    if (!/^\d*$/.test(config)) throw invalid(`configuration \`${config}\` is no number`);
    threshold = BigInt(config || 1);
    console.log('counting from', `${threshold}`);
  },

  teardown() {
    console.log(`${seen.size} different words`);
  },
};

export const processor = {
  process({ meta, payload }) {
    if (meta.contentType && !meta.contentType.startsWith('text/')) throw invalid(`not text: ${meta.contentType}`);
    const text = new TextDecoder().decode(payload.readAll());
    if (text === 'panic') throw new Error('asked to');
    const lines = new TextEncoder().encode(count(text));
    if (lines.length === 0) return { tag: 'drop' };

    const buffer = allocate(BigInt(lines.length));
    buffer.append(lines);
    buffer.setContentType('text/plain');
    return { tag: 'emit', val: { meta: { ...meta, contentType: 'text/plain' }, payload: buffer.freeze() } };
  },
};

// A line for each word of `text` that has come often enough by now.
function count(text) {
  let lines = '';
  for (const word of text.match(/\S+/g) ?? []) {
    const times = (seen.get(word) ?? 0n) + 1n;
    seen.set(word, times);
    if (times >= threshold) lines += `${word} ${times}\n`;
  }
  return lines;
}
