/** Names of pitches, instruments and drums, as General MIDI has them. */

export const PROGRAMS: readonly string[] = [
  'Acoustic Grand Piano',
  'Bright Acoustic Piano',
  'Electric Grand Piano',
  'Honky-tonk Piano',
  'Electric Piano 1',
  'Electric Piano 2',
  'Harpsichord',
  'Clavinet',
  'Celesta',
  'Glockenspiel',
  'Music Box',
  'Vibraphone',
  'Marimba',
  'Xylophone',
  'Tubular Bells',
  'Dulcimer',
  'Drawbar Organ',
  'Percussive Organ',
  'Rock Organ',
  'Church Organ',
  'Reed Organ',
  'Accordion',
  'Harmonica',
  'Tango Accordion',
  'Acoustic Guitar (nylon)',
  'Acoustic Guitar (steel)',
  'Electric Guitar (jazz)',
  'Electric Guitar (clean)',
  'Electric Guitar (muted)',
  'Overdriven Guitar',
  'Distortion Guitar',
  'Guitar Harmonics',
  'Acoustic Bass',
  'Electric Bass (finger)',
  'Electric Bass (pick)',
  'Fretless Bass',
  'Slap Bass 1',
  'Slap Bass 2',
  'Synth Bass 1',
  'Synth Bass 2',
  'Violin',
  'Viola',
  'Cello',
  'Contrabass',
  'Tremolo Strings',
  'Pizzicato Strings',
  'Orchestral Harp',
  'Timpani',
  'String Ensemble 1',
  'String Ensemble 2',
  'Synth Strings 1',
  'Synth Strings 2',
  'Choir Aahs',
  'Voice Oohs',
  'Synth Voice',
  'Orchestra Hit',
  'Trumpet',
  'Trombone',
  'Tuba',
  'Muted Trumpet',
  'French Horn',
  'Brass Section',
  'Synth Brass 1',
  'Synth Brass 2',
  'Soprano Sax',
  'Alto Sax',
  'Tenor Sax',
  'Baritone Sax',
  'Oboe',
  'English Horn',
  'Bassoon',
  'Clarinet',
  'Piccolo',
  'Flute',
  'Recorder',
  'Pan Flute',
  'Blown Bottle',
  'Shakuhachi',
  'Whistle',
  'Ocarina',
  'Lead 1 (square)',
  'Lead 2 (sawtooth)',
  'Lead 3 (calliope)',
  'Lead 4 (chiff)',
  'Lead 5 (charang)',
  'Lead 6 (voice)',
  'Lead 7 (fifths)',
  'Lead 8 (bass + lead)',
  'Pad 1 (new age)',
  'Pad 2 (warm)',
  'Pad 3 (polysynth)',
  'Pad 4 (choir)',
  'Pad 5 (bowed)',
  'Pad 6 (metallic)',
  'Pad 7 (halo)',
  'Pad 8 (sweep)',
  'FX 1 (rain)',
  'FX 2 (soundtrack)',
  'FX 3 (crystal)',
  'FX 4 (atmosphere)',
  'FX 5 (brightness)',
  'FX 6 (goblins)',
  'FX 7 (echoes)',
  'FX 8 (sci-fi)',
  'Sitar',
  'Banjo',
  'Shamisen',
  'Koto',
  'Kalimba',
  'Bagpipe',
  'Fiddle',
  'Shanai',
  'Tinkle Bell',
  'Agogo',
  'Steel Drums',
  'Woodblock',
  'Taiko Drum',
  'Melodic Tom',
  'Synth Drum',
  'Reverse Cymbal',
  'Guitar Fret Noise',
  'Breath Noise',
  'Seashore',
  'Bird Tweet',
  'Telephone Ring',
  'Helicopter',
  'Applause',
  'Gunshot',
];

export const FAMILY_SIZE = 8;

/** Families of eight instruments each. */
export const FAMILIES = [
  'Piano',
  'Chromatic percussion',
  'Organ',
  'Guitar',
  'Bass',
  'Strings',
  'Ensemble',
  'Brass',
  'Reed',
  'Pipe',
  'Synth lead',
  'Synth pad',
  'Synth effects',
  'World',
  'Percussive',
  'Sound effects',
] as const;

/** Drum pieces by pitch. */
export const DRUMS: Readonly<Record<number, string>> = {
  35: 'Kick 2',
  36: 'Kick',
  37: 'Side stick',
  38: 'Snare',
  39: 'Clap',
  40: 'Snare 2',
  41: 'Floor tom 2',
  42: 'Closed hat',
  43: 'Floor tom',
  44: 'Pedal hat',
  45: 'Low tom',
  46: 'Open hat',
  47: 'Low-mid tom',
  48: 'Hi-mid tom',
  49: 'Crash',
  50: 'High tom',
  51: 'Ride',
  52: 'Chinese cymbal',
  53: 'Ride bell',
  54: 'Tambourine',
  55: 'Splash',
  56: 'Cowbell',
  57: 'Crash 2',
  58: 'Vibraslap',
  59: 'Ride 2',
  60: 'Hi bongo',
  61: 'Low bongo',
  62: 'Mute hi conga',
  63: 'Open hi conga',
  64: 'Low conga',
  65: 'High timbale',
  66: 'Low timbale',
  67: 'High agogo',
  68: 'Low agogo',
  69: 'Cabasa',
  70: 'Maracas',
  71: 'Short whistle',
  72: 'Long whistle',
  73: 'Short guiro',
  74: 'Long guiro',
  75: 'Claves',
  76: 'Hi wood block',
  77: 'Low wood block',
  78: 'Mute cuica',
  79: 'Open cuica',
  80: 'Mute triangle',
  81: 'Open triangle',
};

/** The pieces of a plain kit, shown as soon as there is a drum part. */
export const PLAIN_KIT: readonly number[] = [36, 38, 42, 46, 45, 48, 49, 51];

const PITCH_CLASSES = ['C', 'C♯', 'D', 'D♯', 'E', 'F', 'F♯', 'G', 'G♯', 'A', 'B♭', 'B'];
const SEMITONES = 12;
const LOWEST_OCTAVE = -1;

/** Name a pitch; middle C, 60, is C4. */
export function pitchName(pitch: number): string {
  return `${PITCH_CLASSES[pitch % SEMITONES]}${Math.floor(pitch / SEMITONES) + LOWEST_OCTAVE}`;
}

const BLACK = new Set([1, 3, 6, 8, 10]);
export const isBlackKey = (pitch: number): boolean => BLACK.has(pitch % SEMITONES);

export const drumName = (pitch: number): string => DRUMS[pitch] ?? `Drum ${pitch}`;

export function partName(part: { name: string; program: number; is_drum: boolean }): string {
  return part.name || (part.is_drum ? 'Drums' : PROGRAMS[part.program]);
}

/** Programs whose names have all the words of a text, those that begin with it first. */
export function findPrograms(text: string): number[] {
  const words = text.toLowerCase().split(/[\s,()+]+/);
  const wanted = words.filter((word) => word !== '');
  const begins = (name: string) => name.toLowerCase().startsWith(text.trim().toLowerCase());
  const fits = PROGRAMS.flatMap((name, program) => {
    const haystack = `${name} ${FAMILIES[Math.floor(program / FAMILY_SIZE)]}`.toLowerCase();
    return wanted.every((word) => haystack.includes(word)) ? [program] : [];
  });
  return [
    ...fits.filter((program) => begins(PROGRAMS[program])),
    ...fits.filter((program) => !begins(PROGRAMS[program])),
  ];
}

/** Tonics and scales as people choose them, in the words the server reads. */
export const TONICS: readonly string[] = PITCH_CLASSES.map((name) =>
  name.replace('♯', '#').replace('♭', 'b'),
);
export const SCALES: readonly string[] = [
  'major',
  'minor',
  'harmonic minor',
  'melodic minor',
  'dorian',
  'phrygian',
  'lydian',
  'mixolydian',
  'locrian',
  'phrygian dominant',
  'hungarian minor',
  'major pentatonic',
  'minor pentatonic',
  'blues',
  'major blues',
  'whole tone',
  'diminished',
];
