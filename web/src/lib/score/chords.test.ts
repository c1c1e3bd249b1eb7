import { expect, it } from 'vitest';
import { chordOf, noChord } from './chords';

it('reads chords as people type them', () => {
  for (const text of ['Am7', 'F#dim', 'Bb', 'E7/G#', 'C♯m7b5', 'Gsus']) {
    expect(chordOf(text)).toBe(text);
  }
  expect(chordOf('am7')).toBe('Am7');
  expect(chordOf(' bb / d ')).toBe('Bb/D');
  expect(chordOf('C(maj7)')).toBe('Cmaj7');
  expect(chordOf('nc')).toBe('N.C.');
});

it('says of other texts what to write', () => {
  for (const text of ['H7', 'C7#9', 'Am7/X', '']) expect(chordOf(text)).toBeNull();
  expect(noChord('H7')).toContain('Am7');
});
