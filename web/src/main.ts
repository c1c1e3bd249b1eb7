import '@fontsource-variable/instrument-sans/wdth.css';
import './styles/tokens.css';
import './styles/base.css';
import { mount } from 'svelte';
import App from './App.svelte';
import { httpApi } from './lib/api/client';
import { Studio } from './lib/state/studio.svelte';

const api =
  import.meta.env.MODE === 'fake' ? (await import('./lib/api/fake')).fakeApi() : httpApi;
const studio = new Studio(api);
mount(App, { target: document.getElementById('app') as HTMLElement, props: { studio } });
void studio.start();
