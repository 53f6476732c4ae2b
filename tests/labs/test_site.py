"""The site: made from stubs alone, and pages that need no network."""

import re
from itertools import cycle

import pytest
from browser import RULES, chromium

from labs.course.build import PICTURE, stub_file
from labs.course.catalogue import all_labs
from labs.course.site import front, page, to_html, write_pages

BY_LAB = pytest.mark.parametrize("lab", all_labs(), ids=lambda lab: lab.slug)
VIEWS = ((400, "dark"), (1400, "light"))  # of one page after the other
# a table of rows that have names may have an empty corner
AXE = {
    "runOnly": {"type": "tag", "values": RULES},
    "rules": {"empty-table-header": {"enabled": False}},
}


@BY_LAB
def test_a_page_holds_no_line_of_a_solution(lab):
    text, stubs = page(lab), set(stub_file(lab).splitlines())
    solution = lab.solution_file.read_text(encoding="utf-8")
    bodies = re.findall(r"# BEGIN SOLUTION\n(.*?)# END SOLUTION", solution, re.DOTALL)
    lines = {line for body in bodies for line in body.splitlines() if len(line.strip()) > 12}
    assert len(bodies) >= len(lab.tasks)
    assert not (lines - stubs) & set(text.splitlines())
    assert "SOLUTION" not in text


@BY_LAB
def test_a_page_has_a_section_a_task_with_stub_hint_and_answer(lab):
    text = page(lab)
    parts = re.split(r"^## (?=\d+\.\d+ )", text, flags=re.MULTILINE)[1:]
    assert [part.split(" ")[0] for part in parts] == [task.id for task in lab.tasks]
    for part, task in zip(parts, lab.tasks, strict=True):
        assert f'raise NotImplementedError("{task.id}")' in part
        assert f":::{{dropdown}} A hint\n{task.hints[0]}\n:::" in part
        assert not any(hint in part for hint in task.hints[1:])
        assert part.count(":::{dropdown} Answer") == bool(task.answer)
        assert task.answer in part
    for _, picture in PICTURE.findall(text):
        assert (lab.folder / picture).is_file()


def test_the_first_page_leads_to_all_labs():
    text = front(all_labs())
    for lab in all_labs():
        assert f"[Lab {lab.number}: {lab.title}](lab{lab.number}/index.md)" in text


@pytest.mark.verify
def test_the_pages_need_no_network_and_are_for_everybody(tmp_path):
    """All labs' pages by Sphinx, looked at in Chromium: what they fetch, and what axe finds."""
    pytest.importorskip("sphinx", reason="Sphinx is not installed")
    write_pages(all_labs(), tmp_path / "site")
    first = to_html(tmp_path / "site", tmp_path / "html")
    with chromium() as browser:
        from axe_playwright_python.sync_playwright import Axe

        asked: list[str] = []
        pages = [first, *sorted(first.parent.glob("lab*/index.html"))]
        for path, (width, scheme) in zip(pages, cycle(VIEWS), strict=False):
            size = {"width": width, "height": 900}
            shown = browser.new_page(viewport=size, color_scheme=scheme)
            shown.on("request", lambda request: asked.append(request.url))
            shown.goto(path.as_uri())
            found = Axe().run(shown, options=AXE).response["violations"]
            assert not found, (path.parent.name, width, [rule["help"] for rule in found])
            shown.close()
        assert len(asked) > len(pages)
        assert all(url.startswith(("file:", "data:")) for url in asked)
