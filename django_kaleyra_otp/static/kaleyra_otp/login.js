// Makes the sign-in pages a little quicker; they are whole without it. It sends no form.
(() => {
  "use strict";

  // A form that was sent once is not sent again, unless the person comes back to the page.
  for (const form of document.querySelectorAll("form")) {
    let sent = false;
    form.addEventListener("submit", (event) => {
      if (sent) event.preventDefault();
      sent = true;
    });
    addEventListener("pageshow", () => { sent = false; });
  }

  // WebOTP: the browser reads the code from a text message that names this site.
  const code = document.querySelector("input[autocomplete='one-time-code']");
  if (code && "OTPCredential" in window) {
    const given = new AbortController();
    code.form.addEventListener("submit", () => given.abort());
    navigator.credentials
      .get({ otp: { transport: ["sms"] }, signal: given.signal })
      .then((found) => { code.value = found.code; })
      .catch(() => { /* refused, or given up: the person types */ });
  }

  // The wait for another code: counted down for the eye, said aloud once, at its end.
  const wait = document.querySelector("[data-seconds]");
  if (wait) {
    const button = wait.closest("form").querySelector("button");
    const over = wait.closest("form").querySelector("[data-when-over]");
    const number = wait.querySelector("span");
    const inSeconds = wait.dataset.seconds <= 120; // longer waits are written in minutes
    const language = document.documentElement.lang || undefined;
    const words = new Intl.NumberFormat(
      language, { style: "unit", unit: "second", unitDisplay: "long", numberingSystem: "latn" },
    );
    const end = Date.now() + 1000 * wait.dataset.seconds;
    button.disabled = true;
    const tick = () => {
      const left = Math.ceil((end - Date.now()) / 1000);
      if (left > 0) {
        if (inSeconds) number.textContent = words.format(left);
        return;
      }
      clearInterval(timer);
      wait.remove();
      button.disabled = false;
      over.textContent = over.dataset.whenOver;
    };
    const timer = setInterval(tick, 1000);
  }
})();
