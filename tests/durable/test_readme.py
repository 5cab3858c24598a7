"""The tour cannot rot: its links resolve, its example prints what it says."""

import re
from pathlib import Path

import durable

FOLDER = Path(durable.__file__).parent
README = (FOLDER / "README.md").read_text()


def test_every_file_has_its_line():
    linked = set(re.findall(r"\[`[^]]+`\]\(([^)]+)\)", README))
    assert linked == {path.name for path in FOLDER.glob("*.py")} - {"__init__.py"}


def test_its_example_prints_what_it_says(tmp_path, monkeypatch, capsys):
    code, printed = re.findall(r"```(?:python)?\n(.*?)```", README, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(code, {"__name__": "readme"})
    assert capsys.readouterr().out == printed
