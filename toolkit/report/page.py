"""One look for every page: a template, the shared style, all in one file."""

import time
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, folder: Path = TEMPLATES, **content: Any) -> str:
    """Fill in a template of `folder`; it may include what lies beside the report's."""
    environment = Environment(
        loader=FileSystemLoader([folder, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**content)


def today() -> str:
    """The date and time as a page tells them."""
    return time.strftime("%d %B %Y, %H:%M").lstrip("0")
