/** Names of chords that are understood: those of `sideman.score.harmony`. */

/** What may follow the root; a Python test compares it with what the server knows. */
export const CHORD_KINDS =
  ' maj M major m min - mi minor dim ° o aug + 7 dom7 maj7 M7 ma7 Δ Δ7 m7 min7 -7 mi7 mMaj7 mM7 mmaj7 minmaj7 -Δ -Δ7 dim7 °7 o7 m7b5 min7b5 -7b5 ø ø7 hdim7 hdim 6 maj6 M6 m6 min6 -6 9 maj9 M9 ma9 Δ9 m9 min9 -9 11 m11 min11 -11 13 sus2 sus4 sus 7sus4 7sus 5 1'.split(
    ' ',
  );

const SYMBOL = /^([A-G])([#b♯♭]*)(.*?)(?:\/([A-G])([#b♯♭]*))?$/;
const NO_CHORD = new Set(['N', 'NC', 'N.C.']);

/** A chord as it is kept, such as `Am7` for `am7`; null for a text that is none. */
export function chordOf(text: string): string | null {
  const bare = text.replace(/[()\s]/g, '');
  if (NO_CHORD.has(bare.toUpperCase())) return 'N.C.';
  const upper = bare
    .replace(/^[a-g]/, (letter) => letter.toUpperCase())
    .replace(/\/[a-g]/, (bass) => bass.toUpperCase());
  const kind = SYMBOL.exec(upper)?.[3].replaceAll('♭', 'b').replaceAll('♯', '#');
  return kind !== undefined && CHORD_KINDS.includes(kind) ? upper : null;
}

/** What to do about a text that is no chord. */
export const noChord = (text: string): string =>
  `“${text}” is no chord here. Write its root, A to G, and its kind, such as Am7, Cmaj7, F#dim or G7sus4; a bass behind a stroke, as in E7/G#; N.C. for none.`;
