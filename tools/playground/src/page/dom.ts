/**
 * The element with this id.
 * @throws {TypeError} if index.html has none of this type
 */
export function byId<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new TypeError(`index.html has no ${type.name} "${id}"`);
  return found;
}

/** Sets the text of the element with this id. */
export function setText(id: string, text: string): void {
  const element = byId(id, HTMLElement);
  // Equal text is not set again, so that screen readers do not repeat it.
  if (element.textContent !== text) element.textContent = text;
}

/** Fills a list of choices. */
export function setOptions(select: HTMLSelectElement, options: Readonly<Record<string, string>>): void {
  select.replaceChildren(...Object.entries(options).map(([value, text]) => new Option(text, value)));
}

/** Seconds as minutes and seconds, such as 2:05. */
export function clock(seconds: number): string {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}
