"use strict";
// Draws every chart of the page in the colours of the reader's theme, and again when the theme changes.
(function () {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const options = { displayModeBar: false, responsive: true };

  function themed(layout) {
    const style = getComputedStyle(document.documentElement);
    const text = style.getPropertyValue("--text-soft").trim();
    const line = style.getPropertyValue("--line").trim();
    const surface = style.getPropertyValue("--surface").trim();
    const axis = { gridcolor: line, zerolinecolor: line, linecolor: line, tickcolor: line };
    return Object.assign({}, layout, {
      font: { family: "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", size: 12, color: text },
      xaxis: Object.assign({}, layout.xaxis, axis),
      yaxis: Object.assign({}, layout.yaxis, axis),
      hoverlabel: { bgcolor: surface, bordercolor: line, font: { color: style.getPropertyValue("--text").trim() } },
    });
  }

  function draw() {
    for (const [id, figure] of Object.entries(figures)) {
      Plotly.react(id, figure.data, themed(figure.layout), options);
    }
  }

  // A page on paper has another width than the window, and plotly does not notice it.
  const paper = { wide: 660, half: 310 };
  function resize(width) {
    for (const id of Object.keys(figures)) {
      const card = document.getElementById(id).closest(".card");
      Plotly.relayout(id, width ? { width: card.classList.contains("wide") ? width.wide : width.half } : { width: null, autosize: true });
    }
  }

  draw();
  window.addEventListener("beforeprint", () => resize(paper));
  window.addEventListener("afterprint", () => resize(null));
  dark.addEventListener("change", draw);
  document.addEventListener("themechange", draw);
})();
