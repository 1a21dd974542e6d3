// Waiting for what happens, never for a time.

// Far beyond what any step takes, on a busy machine too.
const patience = 30_000;

/** An event, or a failure that says which. */
export const event = (target, name) => until(`the event ${name}`, done => {
  target.addEventListener(name, done, { once: true });
});

/** What `arm` calls back with. */
export function until(what, arm) {
  return new Promise((done, failed) => {
    const timer = setTimeout(() => failed(Error(`waited ${patience / 1000} s for ${what}`)), patience);
    arm(value => {
      clearTimeout(timer);
      done(value);
    });
  });
}

/** A library that knows no modules; it leaves a global. */
export async function script(url, name) {
  const element = document.createElement('script');
  element.src = url;
  const loaded = event(element, 'load');
  document.head.append(element);
  await loaded;
  return window[name];
}
