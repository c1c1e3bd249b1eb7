import { describe, expect, it } from 'vitest';
import type { Setting } from '../api/types';
import { clock, noted } from './played';
import { freeName, voiceText, withInstrument, withOneMore, type Chosen } from './voices';
import { arranged, settingLabel, settingValue, sliderStep } from './words';

const bass: Chosen = {
  name: 'bass',
  kind: 'auto',
  role: 'bass',
  instrument: 'Acoustic Bass',
  wishes: 'range=E1-G3,polyphony=1',
};

const setting = (name: string, values: Partial<Setting> = {}): Setting => ({
  name,
  help: '',
  kind: 'number',
  value: '0',
  group: 'time',
  ...values,
});

describe('a voice', () => {
  it('is written as the command line has it', () => {
    expect(voiceText(bass)).toBe('bass=auto:bass=Acoustic Bass:range=E1-G3,polyphony=1');
    expect(voiceText({ ...bass, role: 'unspecified', wishes: '' })).toBe(
      'bass=auto:Acoustic Bass',
    );
  });

  it('that becomes a drum kit has no range any more, and back again no drums', () => {
    const kit = withInstrument(bass, 'Jazz kit');
    expect([kit.role, kit.wishes]).toEqual(['drums', 'polyphony=1']);
    expect(withInstrument(kit, 'Flute').role).toBe('unspecified');
    expect(withInstrument(bass, 'Fretless Bass')).toEqual({
      ...bass,
      instrument: 'Fretless Bass',
    });
  });

  it('that is added has a name of its own', () => {
    expect(freeName([bass], 'bass')).toBe('bass 2');
    expect(withOneMore([bass, { ...bass, name: 'bass 2' }]).at(-1)?.name).toBe('bass 3');
  });
});

describe('settings', () => {
  const all = ['mode', 'silence', 'seed', 'temperature', 'tempo'].map((name) => setting(name));

  it('that matter in a mode come first, and none is left out or shown twice', () => {
    const { first, more } = arranged(all, 'answer');
    expect(first.map(({ name }) => name)).toEqual(['silence', 'temperature']);
    expect(more).toEqual([['time', [setting('seed')]]]);
  });

  it('have a label, also those nobody has named yet', () => {
    expect(settingLabel('commit')).toBe('Decides ahead');
    expect(settingLabel('brand_new')).toBe('Brand new');
  });

  it('say what their numbers mean', () => {
    expect(settingValue(setting('density'), '0')).toBe('as it likes');
    expect(settingValue(setting('commit', { unit: 's' }), '0.06')).toBe('0.06 s');
  });

  it('have sliders that reach their values, unless the range is too wide', () => {
    expect(sliderStep(setting('seed', { low: 0, high: 2 ** 53 }))).toBeNull();
    expect(sliderStep(setting('change', { low: 0, high: 100, value: '30' }))).toBe(1);
    expect(sliderStep(setting('temperature', { low: 0, high: 3, value: '0.95' }))).toBe(0.05);
    expect(sliderStep(setting('commit', { low: 0.02, high: 2, value: '0.06' }))).toBe(0.01);
  });
});

describe('what was played', () => {
  const played = (id: string, notes: number) => ({ id, notes, seconds: 1 });

  it('is kept in mind, latest first, and only so much of it', () => {
    const ids = Array.from({ length: 25 }, (_, number) => String(number));
    const all = ids.map((id) => played(id, 1));
    const before = all.reduce((kept: ReturnType<typeof played>[], one) => noted(kept, one), []);
    expect(before.map(({ id }) => id)).toEqual(ids.slice(1).reverse());
    expect(noted(before, played('3', 9))[0]).toEqual(played('3', 9));
    expect(noted(before, played('new', 0))).toEqual(before);
  });

  it('has a length as clocks show it', () => {
    expect([clock(0), clock(61.9), clock(3600)]).toEqual(['0:00', '1:01', '60:00']);
  });
});
