/** Dark or light: as the system says, or as the person chose. */

export type ThemeName = 'dark' | 'light';
const STORED = 'sideman.theme';

export class Theme {
  name = $state<ThemeName>('dark');

  constructor() {
    const system = matchMedia('(prefers-color-scheme: light)');
    const stored = localStorage.getItem(STORED) as ThemeName | null;
    this.apply(stored ?? (system.matches ? 'light' : 'dark'));
    system.addEventListener('change', () => {
      if (!localStorage.getItem(STORED)) this.apply(system.matches ? 'light' : 'dark');
    });
  }

  toggle(): void {
    this.apply(this.name === 'dark' ? 'light' : 'dark');
    localStorage.setItem(STORED, this.name);
  }

  private apply(name: ThemeName): void {
    this.name = name;
    document.documentElement.dataset.theme = name;
  }
}
