/** What is liked: how far it is in words, and which takes come first for it. */

import type { TakeInfo, TasteProgress } from '../api/types';

export const percent = (share: number): string => `${Math.round(share * 100)} %`;

export interface TasteWords {
  said: string;
  /** How much of it is there, from 0 to 1, while something is awaited. */
  done: number | null;
  /** What its button says; null where there is nothing to learn from, or it is being learned. */
  button: string | null;
}

export function tasteWords(taste: TasteProgress): TasteWords {
  const { decided, wanted, heard, learned, message } = taste;
  if (heard !== null) {
    return {
      said: `Listening to vote ${heard + 1} of ${decided}`,
      done: heard / decided,
      button: null,
    };
  }
  const isEnough = decided >= wanted;
  if (learned) {
    const { votes, rate, low, high } = learned;
    const between = `${Math.round(low * 100)}–${percent(high)}`;
    const how = `Learned from ${votes} votes: right in ${percent(rate)} (${between}) of pairs it had not seen.`;
    const now = 'Takes are now shown best first.';
    return {
      said: [how, now, sentence(message)].join(' ').trim(),
      done: null,
      button: isEnough ? 'Learn again' : null,
    };
  }
  if (isEnough) {
    const enough = `${decided} votes are enough to try to learn which takes you would like best.`;
    return { said: sentence(message) || enough, done: null, button: 'Learn from these votes' };
  }
  const why = 'With enough of them Sideman can learn which takes you would like best.';
  const said = `${decided} of ${wanted} votes that say which is better. ${sentence(message) || why}`;
  return { said, done: decided / wanted, button: null };
}

/** A line of the server as a sentence. */
const sentence = (line: string): string =>
  line && `${line[0].toUpperCase()}${line.slice(1)}${line.endsWith('.') ? '' : '.'}`;

/** Takes of one request, those first that are likely liked best; else as they came. */
export function bestFirst(takes: readonly TakeInfo[]): TakeInfo[] {
  const liking = (take: TakeInfo) => take.liking ?? -Number.MAX_VALUE;
  return [...takes].sort((one, other) => liking(other) - liking(one));
}

/** The take that is likely liked best, where there is a choice. */
export function likeliest(takes: readonly TakeInfo[]): string | null {
  const liked = takes.filter(({ liking }) => liking !== null);
  return liked.length > 1 ? bestFirst(liked)[0].id : null;
}
