/** Where the focus goes when what had it goes away. */

/** Give the focus to the notes, or to the page where there are none. */
export function focusPage(): void {
  const roll = document.querySelector<HTMLElement>('[role="application"]');
  (roll ?? document.getElementById('main'))?.focus();
}

/** Whether nobody has the focus, or something that is hidden. */
export function isFocusLost(): boolean {
  const { activeElement } = document;
  return activeElement === document.body || !activeElement?.checkVisibility();
}
