"""The pages of docs/ as a site, and what they promise their readers."""

import re
import shlex
import subprocess
import sys
from html.parser import HTMLParser
from urllib.parse import unquote, urldefrag

import pytest

from gof.cli.registry import VERBS
from tests.workflow import ROOT

pytestmark = pytest.mark.slow  # ten seconds
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LOADED = {"script": "src", "img": "src", "link": "href", "source": "src", "iframe": "src"}
BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.S | re.M)


class Page(HTMLParser):
    """What a page links to, loads and can be linked at."""

    def __init__(self, path):
        super().__init__()
        self.links, self.loads, self.ids = [], [], set()
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.ids |= {found[key] for key in ("id", "name") if key in found}
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        if found.get(LOADED.get(tag)):
            self.loads.append(found[LOADED[tag]])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site") / "html"
    call = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "docs", str(folder)]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return {path: Page(path) for path in sorted(folder.glob("*.html"))}


def is_elsewhere(target):
    return re.match(r"(\w+:)?//", target) is not None


def test_every_link_leads_to_a_file_and_its_anchor(site):
    lost, followed = [], 0
    for path, page in site.items():
        for link in (link for link in page.links if not is_elsewhere(link)):
            target, anchor = urldefrag(link)
            aim = path.parent / unquote(target) if target else path
            followed += 1
            if not aim.is_file() or (anchor and aim in site and anchor not in site[aim].ids):
                lost.append((path.name, link))
    assert lost == [] and followed > 500


def test_nothing_is_loaded_from_elsewhere_and_all_that_is_loaded_is_there(site):
    for path, page in site.items():
        for name in page.loads:
            assert not is_elsewhere(name), (path.name, name)
            if not name.startswith(("data:", "#")):
                assert (path.parent / unquote(name.split("?")[0])).is_file(), (path.name, name)
    folder = next(iter(site)).parent
    for sheet in folder.rglob("*.css"):
        named = re.findall(r"url\(\s*['\"]?([^'\")]*)|@import\s+['\"]([^'\"]*)", sheet.read_text())
        assert not any(is_elsewhere(name) for pair in named for name in pair), sheet
    assert len(list((folder / "_images").iterdir())) >= 8


def test_every_page_is_in_the_site(site):
    names = {path.stem for path in site}
    assert {page.stem for page in PAGES[1:]} <= names


def test_every_verb_and_every_configuration_has_its_word(site):
    text = "\n".join(page.read_text() for page in PAGES)
    folder = next(iter(site)).parent
    helped = (folder / "verbs.html").read_text()
    for name in VERBS.all():
        assert f'id="gof-{name}"' in helped, name
    for path in (ROOT / "workflow" / "configs").glob("*.yaml"):
        assert path.name in text, path


def test_thirty_questions_have_an_answer():
    page = (ROOT / "docs" / "faq.md").read_text()
    parts = re.split(r"^## ", page, flags=re.M)[1:]
    assert [int(part.split(".")[0]) for part in parts] == list(range(1, 31))
    for part in parts:
        title, answer = part.split("\n", 1)
        assert len(re.sub(BLOCK, "", answer).split()) >= 12, title
        assert any(
            language == "bash" or "# needs" in block for language, block in BLOCK.findall(part)
        ), title


def test_the_readme_is_short():
    assert PAGES[0].read_text().count("\n") <= 150


def test_commands_that_no_test_runs_say_what_they_need():
    for page in PAGES:
        for language, block in BLOCK.findall(page.read_text()):
            if language not in ("bash", "python") and re.search(r"^(gof|snakemake) ", block, re.M):
                assert block.startswith("# needs "), (page.name, block)


def named_commands():
    """Those in running text and tables, and those that no test runs."""
    for page in PAGES:
        text = page.read_text()
        for language, block in BLOCK.findall(text):
            if language == "text":
                yield from ((page.name, line) for line in block.splitlines())
        for line in re.findall(r"`([^`]+)`", re.sub(BLOCK, "", text)):
            yield page.name, " ".join(line.split())


def test_commands_in_running_text_name_verbs_options_and_files_that_exist():
    seen = 0
    for page, line in named_commands():
        if not re.match(r"(gof|snakemake) [\w-]", line):
            continue
        seen += 1
        words = shlex.split(line)
        for name in (word for word in words if word.startswith(("workflow/", "profiles/"))):
            assert (ROOT / name).exists(), (page, line)
        if words[0] == "gof" and not words[1].startswith("--"):
            verb = VERBS.find(words[1])
            assert verb is not None, (page, line)
            known = {
                name.replace("_", "-") for name in vars(verb.job_class())["__dataclass_fields__"]
            }
            for word in (word for word in words if word.startswith("--")):
                assert word[2:] in known | {"help", "config", "from"}, (page, line)
    assert seen > 60
