"""Pictures of many runs, as static SVG and as Vega-Lite charts."""
