"use strict";
// Three things that only the reader's browser can do.
(function () {
  // Inside Airflow the page follows Airflow's theme, whatever the reader's system says.
  try {
    const outer = window.parent === window ? null : window.parent.document.documentElement;
    const follow = function () {
      const theme = ["dark", "light"].find((name) => outer.classList.contains(name));
      if (theme) document.documentElement.dataset.theme = theme;
      document.dispatchEvent(new Event("themechange"));
    };
    if (outer) {
      follow();
      new MutationObserver(follow).observe(outer, { attributeFilter: ["class"] });
    }
  } catch (error) {
    // Framed by another site: the reader's own choice counts.
  }

  // The page was written after a night; looked at after the hour of the next one, it says so by itself.
  const late = document.getElementById("late");
  if (late && Date.now() > Date.parse(late.dataset.due)) late.hidden = false;

  // Inside Airflow the page sits in a frame that may not leave it: let Airflow's own router follow the link.
  document.addEventListener("click", function (event) {
    const link = event.target.closest("a[data-airflow]");
    if (!link || window.parent === window || event.ctrlKey || event.metaKey || event.shiftKey) return;
    try {
      window.parent.history.pushState({}, "", link.href);
      window.parent.dispatchEvent(new PopStateEvent("popstate", { state: {} }));
      event.preventDefault();
    } catch (error) {
      // As above: the link stays what it is.
    }
  });
})();
