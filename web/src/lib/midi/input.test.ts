import { describe, expect, it } from 'vitest';
import { MIDI_ADVICE, pitchOfKey, readMessage, troubleOf } from './input';

describe('a MIDI message', () => {
  it('is a key down or up; velocity 0 is up', () => {
    expect(readMessage(new Uint8Array([0x93, 60, 100]))).toEqual({
      isOn: true,
      pitch: 60,
      velocity: 100,
    });
    expect(readMessage(new Uint8Array([0x90, 60, 0]))?.isOn).toBe(false);
    expect(readMessage(new Uint8Array([0x80, 60, 64]))?.isOn).toBe(false);
  });

  it('of another kind is nothing here', () => {
    expect(readMessage(new Uint8Array([0xb0, 64, 127]))).toBeNull();
    expect(readMessage(new Uint8Array([0xfe]))).toBeNull();
    expect(readMessage(null)).toBeNull();
  });
});

describe('failures', () => {
  it('to be allowed and to be opened are told apart, each with its own advice', () => {
    expect(troubleOf(new DOMException('', 'NotAllowedError'))).toBe('refused');
    expect(troubleOf(new DOMException('', 'InvalidStateError'))).toBe('broken');
    expect(new Set(Object.values(MIDI_ADVICE)).size).toBe(3);
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
