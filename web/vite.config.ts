import { createReadStream, readFileSync } from 'node:fs';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

const SERVER = 'http://127.0.0.1:8765';
const PROXY = { '/api': { target: SERVER, ws: true }, '/sound': { target: SERVER } };
const BANK = '../src/sideman/audio/banks/FluidR3Mono_GM.sf3';

/** Serve the sound bank where the studio's server has it, when there is no server. */
function soundBank(): Plugin {
  return {
    name: 'sound-bank',
    configureServer: (server) => {
      server.middlewares.use('/sound/bank.sf3', (_, reply) => {
        createReadStream(BANK).pipe(reply);
      });
    },
    configurePreviewServer: (server) => {
      server.middlewares.use('/sound/bank.sf3', (_, reply) => {
        createReadStream(BANK).pipe(reply);
      });
    },
  };
}

const SHIPPED = [
  'svelte',
  'spessasynth_lib',
  'spessasynth_core',
  '@fontsource-variable/instrument-sans',
];

/** Put the licences of what is built in beside it. */
function licences(): Plugin {
  const read = (name: string) =>
    ['LICENSE', 'LICENSE.md'].flatMap((file) => {
      try {
        return [readFileSync(`node_modules/${name}/${file}`, 'utf8')];
      } catch {
        return [];
      }
    });
  return {
    name: 'licences',
    generateBundle() {
      const source = SHIPPED.map((name) => {
        const [text] = read(name);
        if (!text) throw new Error(`${name} has no licence file to ship`);
        return `${name}\n\n${text}`;
      }).join('\n\n----\n\n');
      this.emitFile({ type: 'asset', fileName: 'licences.txt', source });
    },
  };
}

export default defineConfig(({ mode }) => ({
  plugins: [svelte(), licences(), ...(mode === 'fake' ? [soundBank()] : [])],
  base: '/',
  build: {
    outDir: mode === 'fake' ? '../out/studio-fake' : '../src/sideman/studio/static',
    emptyOutDir: true,
    // Data URLs would need a wider content security policy than 'self'.
    assetsInlineLimit: 0,
  },
  server: mode === 'fake' ? {} : { proxy: PROXY },
  test: { include: ['src/**/*.test.ts'] },
}));
