import { describe, expect, it } from 'vitest';
import { MIDI_ADVICE, pitchOfKey, readMessage, troubleOf } from './input';
import { MidiSink, SILENCE } from './output';

describe('a MIDI message', () => {
  const read = (...bytes: number[]) => readMessage(new Uint8Array(bytes));

  it('is a key down or up; velocity 0 is up', () => {
    expect(read(0x93, 60, 100)).toEqual({ kind: 'on', pitch: 60, velocity: 100 });
    expect(read(0x90, 60, 0)).toEqual({ kind: 'off', pitch: 60 });
    expect(read(0x80, 60, 64)).toEqual({ kind: 'off', pitch: 60 });
  });

  it('is the pedal down or up', () => {
    expect(read(0xb0, 64, 127)).toEqual({ kind: 'pedal', isDown: true });
    expect(read(0xb0, 64, 63)).toEqual({ kind: 'pedal', isDown: false });
  });

  it('of another kind is nothing here', () => {
    expect(read(0xb0, 7, 127)).toBeNull();
    expect(readMessage(new Uint8Array([0xfe]))).toBeNull();
    expect(readMessage(null)).toBeNull();
  });
});

describe('failures', () => {
  it('to be allowed and to be opened are told apart, each with its own advice', () => {
    expect(troubleOf(new DOMException('', 'NotAllowedError'))).toBe('refused');
    expect(troubleOf(new DOMException('', 'InvalidStateError'))).toBe('broken');
    expect(new Set(Object.values(MIDI_ADVICE)).size).toBe(4);
  });
});

describe('computer keys', () => {
  it('are a piano by their place, two rows an octave apart', () => {
    expect(pitchOfKey('KeyZ', 4)).toBe(60);
    expect(pitchOfKey('KeyS', 4)).toBe(61);
    expect(pitchOfKey('KeyQ', 4)).toBe(72);
    expect(pitchOfKey('KeyA', 4)).toBeNull();
  });
});

describe('a MIDI output', () => {
  it('is sent notes at their time and in order, and every channel is silenced, twice', () => {
    const sent: { bytes: number[]; at: number }[] = [];
    const port = {
      state: 'connected',
      send: (bytes: number[], at: number) => sent.push({ bytes, at }),
    };
    const sink = new MidiSink(port as unknown as MIDIOutput);
    const before = performance.now();
    sink.noteOn(2, 60, 90, 0.5);
    sink.noteOff(2, 60, 0);
    sink.program(9, 32);
    expect(sent.map(({ bytes }) => bytes)).toEqual([
      [0x92, 60, 90],
      [0x82, 60, 0],
      [0xc9, 32],
    ]);
    expect(sent[0].at).toBeGreaterThanOrEqual(before + 500);
    expect(sent[1].at).toBeGreaterThan(sent[0].at);
    sent.length = 0;
    sink.silence();
    expect(sent.map(({ bytes }) => bytes)).toEqual([...SILENCE, ...SILENCE]);
    expect(sent[SILENCE.length].at).toBeCloseTo(sent[0].at + 100);
    port.state = 'disconnected';
    sink.noteOn(0, 60, 90, 0);
    expect(sent).toHaveLength(2 * SILENCE.length);
  });
});
