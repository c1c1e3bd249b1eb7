/** Colours of the canvas, for dark and light; those of the page are in `tokens.css`. */

export interface Palette {
  ground: string;
  blackRow: string;
  beyond: string;
  bandLine: string;
  bar: string;
  beat: string;
  step: string;
  text: string;
  faint: string;
  keyWhite: string;
  keyBlack: string;
  keyText: string;
  ruler: string;
  /** What the person does: selection, playhead, cursor. */
  you: string;
  youWash: string;
  /** What the model does: notes being written, its plan. */
  sideman: string;
  sidemanWash: string;
  outline: string;
  parts: readonly string[];
}

export const PALETTES: Record<'dark' | 'light', Palette> = {
  dark: {
    ground: '#141a1c',
    blackRow: '#101517',
    beyond: 'rgba(5, 8, 9, 0.55)',
    bandLine: '#2b3639',
    bar: '#3b484c',
    beat: '#252f32',
    step: '#1b2326',
    text: '#dfe7e6',
    faint: '#8b9a9c',
    keyWhite: '#a9b6b4',
    keyBlack: '#1d2527',
    keyText: '#26322f',
    ruler: '#192023',
    you: '#6fd3e3',
    youWash: 'rgba(111, 211, 227, 0.10)',
    sideman: '#ff8362',
    sidemanWash: 'rgba(255, 131, 98, 0.07)',
    outline: '#f4f8f7',
    parts: [
      '#f2c14e',
      '#7fc97f',
      '#b79cf0',
      '#6aaeea',
      '#ef8fb4',
      '#4fc2a8',
      '#e59a5b',
      '#a9bf52',
      '#9fb1bd',
    ],
  },
  light: {
    ground: '#fcfdfc',
    blackRow: '#f3f6f5',
    beyond: 'rgba(214, 222, 221, 0.5)',
    bandLine: '#cdd7d6',
    bar: '#b9c6c5',
    beat: '#dde5e4',
    step: '#eaf0ef',
    text: '#15211f',
    faint: '#5d6d6c',
    keyWhite: '#ffffff',
    keyBlack: '#3a4947',
    keyText: '#5a6a68',
    ruler: '#f0f4f3',
    you: '#087a90',
    youWash: 'rgba(8, 122, 144, 0.09)',
    sideman: '#cf4520',
    sidemanWash: 'rgba(207, 69, 32, 0.06)',
    outline: '#10201e',
    parts: [
      '#d39a0f',
      '#3f9a45',
      '#7f5fd0',
      '#2f7fc8',
      '#cf4f84',
      '#158a72',
      '#bf6a1f',
      '#768c14',
      '#647985',
    ],
  },
};

/** The colour of a part: its own choice, or by its place in the list. */
export const partColour = (palette: Palette, choice: number): string =>
  palette.parts[choice % palette.parts.length];
