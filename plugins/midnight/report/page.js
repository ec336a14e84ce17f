"use strict";
// What only the reader's browser can do: the theme, the notice, the links.
(function () {
  // Inside Airflow the page follows Airflow's theme, regardless of the system's theme.
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
    // Framed by another site: use the reader's own theme.
  }

  // The page was written after a run; opened after the next one was due, it shows a notice.
  const late = document.getElementById("late");
  if (late && Date.now() > Date.parse(late.dataset.due)) late.hidden = false;

  // Inside Airflow the page is in a frame that may not navigate: let Airflow's own router follow the link.
  document.addEventListener("click", function (event) {
    const link = event.target.closest("a[data-airflow]");
    if (!link || window.parent === window || event.ctrlKey || event.metaKey || event.shiftKey) return;
    try {
      window.parent.history.pushState({}, "", link.href);
      window.parent.dispatchEvent(new PopStateEvent("popstate", { state: {} }));
      event.preventDefault();
    } catch (error) {
      // Framed by another site: the link stays an ordinary link.
    }
  });
})();
