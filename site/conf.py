"""How Sphinx makes pages of what `labs/course/site.py` writes here; formulas become MathML."""

from typing import Any

from docutils import nodes
from math_core import LatexToMathML

project = html_title = "Etude"
extensions = ["myst_parser", "sphinx_copybutton", "sphinx_design"]
exclude_patterns = ["build"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_dmath_allow_space = myst_dmath_allow_digits = False  # "$5 and $6" is no formula
myst_heading_anchors = 2
html_theme = "pydata_sphinx_theme"
# the search field in the page itself has a label that is not its name
html_theme_options = {"navbar_persistent": ["search-button"]}
html_sidebars: dict[str, list[str]] = {"**": []}  # each page names its sections on the right
html_math_renderer = "mathml"
html_copy_source = html_show_sourcelink = False


def inline(writer: Any, node: nodes.math) -> None:
    """Write a formula in a line."""
    writer.body.append(LatexToMathML().convert_with_local_state(node.astext(), displaystyle=False))
    raise nodes.SkipNode


def displayed(writer: Any, node: nodes.math_block) -> None:
    """Write a formula of its own, which the keyboard can scroll where it is too wide."""
    formula = LatexToMathML().convert_with_local_state(node.astext(), displaystyle=True)
    around = '<div style="overflow-x: auto" tabindex="0" role="group" aria-label="formula">'
    writer.body.append(f"{around}{formula}</div>\n")
    raise nodes.SkipNode


def setup(app: Any) -> None:
    """Enter the renderer: no script, and nothing from the network."""
    app.add_html_math_renderer("mathml", (inline, None), (displayed, None))
