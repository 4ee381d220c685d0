// Guards against what the markup of a page could break.

/** The form itself: a field named "action" or "reset" hides the form's own property of that name. */
export const itself = (form: HTMLFormElement): HTMLFormElement =>
  new Proxy(form, {
    get(_, name) {
      const value = Reflect.get(HTMLFormElement.prototype, name, form);
      return typeof value === "function" ? value.bind(form) : value;
    },
  });

/** Dispatches an event, which crosses shadow roots; false if a listener prevented the default to show it in its own way. */
export const tell = (target: EventTarget, name: string, detail: unknown): boolean =>
  target.dispatchEvent(new CustomEvent("leadgate:" + name, { detail, bubbles: true, composed: true, cancelable: true }));
