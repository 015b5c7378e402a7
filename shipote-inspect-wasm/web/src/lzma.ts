// Unpacks what `xz --format=lzma` packed. Browsers unpack gzip by themselves, but the module is a quarter smaller this way,
// and the page is one file that people keep and send.
//
// A stream is 13 bytes of head (parameters, size of the window, size of the content), then one long number in which every
// bit was coded by how likely it was. The names are those of the format's specification.

const TOP = 2 ** 24;
const HALF = 1024;

/** Unpacks a whole stream whose content has `size` bytes. */
export function unpack(packed: Uint8Array, size: number): Uint8Array<ArrayBuffer> {
  const parameters = packed[0]!;
  const lc = parameters % 9;
  const lp = Math.floor(parameters / 9) % 5;
  const pb = Math.floor(parameters / 45);
  const out = new Uint8Array(size);
  let at = 13 + 5;
  let range = 0xffffffff;
  let code = new DataView(packed.buffer, packed.byteOffset + 14).getUint32(0);

  const likely = (count: number) => new Uint16Array(count).fill(HALF);
  const literals = likely(0x300 << (lc + lp));
  const isMatch = likely(12 << 4);
  const isRep = likely(12);
  const isRepG0 = likely(12);
  const isRepG1 = likely(12);
  const isRepG2 = likely(12);
  const isRep0Long = likely(12 << 4);
  const slots = likely(4 << 6);
  const special = likely(128);
  const align = likely(16);
  const lengths = { match: likely(2 + 16 * 8 * 2 + 256), rep: likely(2 + 16 * 8 * 2 + 256) };

  function bit(table: Uint16Array, index: number): number {
    const probability = table[index]!;
    const bound = (range >>> 11) * probability;
    let answer: number;
    if (code >>> 0 < bound) {
      range = bound;
      table[index] = probability + ((2048 - probability) >>> 5);
      answer = 0;
    } else {
      range -= bound;
      code = (code >>> 0) - bound;
      table[index] = probability - (probability >>> 5);
      answer = 1;
    }
    if (range < TOP) {
      range = (range * 256) >>> 0;
      code = ((code << 8) | packed[at++]!) >>> 0;
    }
    return answer;
  }

  function direct(count: number): number {
    let answer = 0;
    for (let left = count; left > 0; left--) {
      range >>>= 1;
      const one = code >>> 0 >= range;
      if (one) code = (code >>> 0) - range;
      answer = answer * 2 + (one ? 1 : 0);
      if (range < TOP) {
        range = (range * 256) >>> 0;
        code = ((code << 8) | packed[at++]!) >>> 0;
      }
    }
    return answer;
  }

  function tree(table: Uint16Array, from: number, bits: number): number {
    let node = 1;
    for (let left = bits; left > 0; left--) node = node * 2 + bit(table, from + node);
    return node - (1 << bits);
  }

  function reversed(table: Uint16Array, from: number, bits: number): number {
    let node = 1;
    let answer = 0;
    for (let place = 0; place < bits; place++) {
      const one = bit(table, from + node);
      node = node * 2 + one;
      answer |= one << place;
    }
    return answer;
  }

  function length(table: Uint16Array, position: number): number {
    if (bit(table, 0) === 0) return tree(table, 2 + position * 8, 3);
    if (bit(table, 1) === 0) return 8 + tree(table, 2 + 128 + position * 8, 3);
    return 16 + tree(table, 2 + 256, 8);
  }

  function distance(len: number): number {
    const slot = tree(slots, Math.min(len, 3) << 6, 6);
    if (slot < 4) return slot;
    const bits = (slot >> 1) - 1;
    const base = (2 | (slot & 1)) * 2 ** bits;
    if (slot < 14) return base + reversed(special, base - slot, bits);
    return base + direct(bits - 4) * 16 + reversed(align, 0, 4);
  }

  let state = 0;
  let [rep0, rep1, rep2, rep3] = [0, 0, 0, 0];
  let done = 0;
  while (done < size) {
    const position = done & ((1 << pb) - 1);
    if (bit(isMatch, (state << 4) + position) === 0) {
      const before = done > 0 ? out[done - 1]! : 0;
      const from = 0x300 * (((done & ((1 << lp) - 1)) << lc) + (before >> (8 - lc)));
      let symbol = 1;
      if (state >= 7) {
        let matched = out[done - rep0 - 1]!;
        while (symbol < 0x100) {
          const expected = (matched >> 7) & 1;
          matched <<= 1;
          const one = bit(literals, from + ((1 + expected) << 8) + symbol);
          symbol = symbol * 2 + one;
          if (one !== expected) break;
        }
      }
      while (symbol < 0x100) symbol = symbol * 2 + bit(literals, from + symbol);
      out[done++] = symbol;
      state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
      continue;
    }
    let len: number;
    if (bit(isRep, state) === 0) {
      [rep3, rep2, rep1] = [rep2, rep1, rep0];
      len = length(lengths.match, position);
      state = state < 7 ? 7 : 10;
      rep0 = distance(len);
      if (rep0 === 0xffffffff) break;
    } else {
      if (bit(isRepG0, state) === 0) {
        if (bit(isRep0Long, (state << 4) + position) === 0) {
          state = state < 7 ? 9 : 11;
          out[done] = out[done - rep0 - 1]!;
          done++;
          continue;
        }
      } else {
        let far: number;
        if (bit(isRepG1, state) === 0) far = rep1;
        else {
          if (bit(isRepG2, state) === 0) far = rep2;
          else {
            far = rep3;
            rep3 = rep2;
          }
          rep2 = rep1;
        }
        rep1 = rep0;
        rep0 = far;
      }
      len = length(lengths.rep, position);
      state = state < 7 ? 8 : 11;
    }
    for (let left = len + 2; left > 0 && done < size; left--, done++) out[done] = out[done - rep0 - 1]!;
  }
  if (done !== size) throw new Error("the module of the page is damaged");
  return out;
}
