// The theme follows the system until the reader chooses one. Runs before the page is drawn, so that nothing flashes.
(function () {
  "use strict";
  var root = document.documentElement;
  root.classList.add("js");

  function stored() {
    try { return localStorage.getItem("humanbench-theme"); } catch (error) { return null; }
  }
  function store(value) {
    try { localStorage.setItem("humanbench-theme", value); } catch (error) { /* private windows keep nothing */ }
  }
  function dark() {
    return root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  }

  var chosen = stored();
  if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;

  document.addEventListener("DOMContentLoaded", function () {
    var place = document.getElementById("theme-place");
    if (!place) return;
    var button = document.createElement("button");
    button.type = "button";
    button.className = "theme";
    function label() {
      button.textContent = dark() ? "Light" : "Dark";
      button.setAttribute("aria-label", "Switch to the " + (dark() ? "light" : "dark") + " theme");
    }
    button.addEventListener("click", function () {
      root.dataset.theme = dark() ? "light" : "dark";
      store(root.dataset.theme);
      label();
    });
    label();
    place.appendChild(button);
  });
})();
