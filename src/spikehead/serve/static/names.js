// Names are data: how the page shows a class, a photo, or a sentence that holds them.

// As spikehead.names.shown has it: control characters, line ends, changes of the writing direction
// and broken Unicode.
const MOVING = /[\p{Cc}\p{Cs}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;
const SHORT = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function escaped(character) {
  const code = character.codePointAt(0);
  const [letter, digits] = code < 256 ? ["x", 2] : ["u", 4];
  return SHORT[character] ?? `\\${letter}${code.toString(16).padStart(digits, "0")}`;
}

// A text that does nothing but being read.
export const shown = (text) => String(text).replace(MOVING, escaped);

// The same as an element, whose writing direction is its own.
export function isolated(text, properties = {}) {
  return Object.assign(document.createElement("bdi"), { textContent: shown(text), ...properties });
}

// A sentence with names in it, as nodes: sentence`It is “${name}”.`
export const sentence = (parts, ...names) =>
  parts.flatMap((part, place) => (place ? [isolated(names[place - 1]), part] : [part]));
