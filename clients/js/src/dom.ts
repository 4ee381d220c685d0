// What the markup of a page must not break.

/** The form itself: a field called "action" or "reset" hides what the form has under that name. */
export const itself = (form: HTMLFormElement): HTMLFormElement =>
  new Proxy(form, {
    get(_, name) {
      const value = Reflect.get(HTMLFormElement.prototype, name, form);
      return typeof value === "function" ? value.bind(form) : value;
    },
  });

/** Dispatches an event, which leaves a shadow root, too; false if a listener wants to show it itself. */
export const tell = (target: EventTarget, name: string, detail: unknown): boolean =>
  target.dispatchEvent(new CustomEvent("leadgate:" + name, { detail, bubbles: true, composed: true, cancelable: true }));
