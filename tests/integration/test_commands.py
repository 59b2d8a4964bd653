"""Every command has help with examples, and one-line errors with an exit status."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from config.database_settings import url_variables
from config.setting_types import ROOT
from recommender.cli import demo as demo_command
from recommender.cli.main import commands, main
from recommender.entities import DatabaseName
from tests.support.commands import Run, runner, variables
from tests.support.postgres import Urls
from tests.support.processes import environment

NAMES = commands.list_commands(click.Context(commands))
NOWHERE = dict.fromkeys(DatabaseName, "postgresql://nobody@127.0.0.1:1/nowhere")
USER = "11111111-1111-4111-8111-111111111111"


def help_of(*names: str) -> str:
    command: click.Command = commands
    for name in names:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), name)
        assert found is not None
        command = found
    with click.Context(command, info_name=" ".join(["python -m recommender", *names])) as context:
        return command.get_help(context)


@pytest.mark.parametrize("names", [(name,) for name in NAMES] + [("train", "neighbours")])
def test_a_commands_help_has_examples_that_are_its_own(names: tuple[str, ...]) -> None:
    examples = help_of(*names).partition("\n  Examples:\n")[2]
    assert f"    python -m recommender {' '.join(names)}" in examples


@pytest.mark.parametrize("name", ["batch", "check", "recommend"])
def test_help_says_what_exit_statuses_mean(name: str) -> None:
    statuses = help_of(name).partition("\n  Exit status:\n")[2]
    assert [line.split()[0] for line in statuses.splitlines()][:3] == ["0", "1", "2"]


def test_the_help_of_the_group_lists_every_command() -> None:
    order = help_of().partition("\n  In this order:\n")[2]
    assert all(name in order for name in NAMES)


@pytest.mark.parametrize("names", [(), ("experiments",), ("migrate",), ("models",), ("train",)])
def test_the_help_of_a_group_says_in_a_whole_line_what_each_command_does(names: tuple[str, ...]) -> None:
    summaries = help_of(*names).partition("\nCommands:\n")[2].partition("\n\n")[0]
    assert summaries
    assert "..." not in summaries


def test_the_help_of_the_group_has_the_lines_that_click_makes_of_the_commands() -> None:
    context = click.Context(commands)
    ours, of_click = context.make_formatter(), context.make_formatter()
    commands.format_commands(context, ours)
    click.Group.format_commands(commands, context, of_click)
    assert ours.getvalue() == of_click.getvalue()


def imported(program: str, packages: set[str]) -> list[str]:
    """Return which packages a program imports."""
    shows = f"; import sys; print(*({packages} & sys.modules.keys()), file=sys.stderr)"
    shown = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program + shows], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return sorted(shown.stderr.split())


def test_the_help_of_the_group_imports_no_command() -> None:
    program = "from recommender.cli.main import main; main(['--help'])"
    assert not imported(program, {"numba", "numpy", "psycopg"})


def test_a_waiting_trainer_imports_no_compiler() -> None:
    waiting = "import recommender.cli.trainer, recommender.trainer.process"
    looking = "import recommender.databases.estimates, recommender.databases.patient"
    assert imported(waiting, {"flask", "numba", "psycopg", "scipy"}) == []
    assert imported(f"{waiting}; {looking}", {"flask", "numba", "psycopg", "scipy"}) == ["psycopg"]


def test_without_the_environment_one_line_says_how_to_get_it() -> None:
    # Without the packages of the environment, as a shell's own Python is.
    started = subprocess.run(
        [sys.executable, "-S", "-m", "recommender", "check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert started.returncode == 1
    (line,) = started.stderr.splitlines()
    assert "is not installed" in line
    assert "`. .venv/bin/activate`" in line


def test_a_misspelled_command_gets_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recomend"]) == 2
    assert "No such command 'recomend'. Did you mean 'recommend'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["demo"], "Check that it runs, and that DB_HOST or USER_DB_URL has its address and role."),
        (["load-movielens", "{folder}"], "Check that it runs, and that DB_HOST or USER_DB_URL has"),
        (["train", "neighbours"], "`python -m recommender check` says what is wrong"),
        (["recommend", USER], "`python -m recommender check` says what is wrong"),
        (["batch", "--all-users", "--output", "{folder}/out"], "`python -m recommender check` says what"),
    ],
)
def test_databases_that_cannot_be_reached_are_an_error_of_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    arguments: list[str],
    hint: str,
) -> None:
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n1,Heat (1995),Action\n")
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,1,4.0,1700000000\n")
    run = runner(NOWHERE, monkeypatch, capsys)
    monkeypatch.setenv("POOL_TIMEOUT_MS", "50")
    monkeypatch.setenv("MODEL_PATH", str(tmp_path / "models"))
    result = run(*(argument.format(folder=tmp_path) for argument in arguments))
    errors = [line for line in result.err.splitlines() if not line.startswith("Reading")]
    assert (result.status, len(errors)) == (1, 1)
    assert errors[0].startswith("Error: ")
    assert hint in errors[0]


def test_a_file_that_cannot_be_written_is_an_error_of_one_line(
    shared_databases: Urls,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    (tmp_path / "file").touch()
    run = runner(shared_databases, monkeypatch, capsys)
    monkeypatch.setenv("MODEL_PATH", str(tmp_path / "file" / "models"))
    result = run("train", "neighbours")
    assert result.status == 1
    assert result.err.splitlines()[-1] == f"Error: {tmp_path}/file/models/neighbours: Not a directory"


def test_ctrl_c_prints_one_word(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo_command, "load_settings", interrupt)
    assert main(["demo"]) == 130
    assert capsys.readouterr().err.strip() == "Interrupted."


@pytest.mark.parametrize(
    ("arguments", "variable"),
    [
        (["batch", "--all-users", "--output", "{folder}/out"], "MAX_LIMIT"),
        (["batch", "--all-users", "--output", "{folder}/out"], "MODEL"),
        (["forget", USER], "MAX_LIMIT"),
        (["check"], "MAX_LIMIT"),
    ],
)
def test_a_wrong_setting_has_not_the_status_that_asks_to_run_it_again(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str], variable: str
) -> None:
    monkeypatch.setenv(variable, "abc")
    result = run(*(each.format(folder=tmp_path) for each in arguments))
    assert result.status == 2
    assert result.err.startswith(f"Error: {variable}: ")
    assert list(tmp_path.iterdir()) == []


def test_what_the_encoding_of_the_output_lacks_is_replaced(shared_databases: Urls) -> None:
    checked = run_alone(["check"], **url_variables(NOWHERE), POOL_TIMEOUT_MS="50", PYTHONIOENCODING="latin-1")
    assert (checked.returncode, checked.stderr) == (2, b"")
    assert b"           ? " in checked.stdout
    explain = ["recommend", USER, "--explain"]
    shown = run_alone(explain, **variables(shared_databases), PYTHONIOENCODING="ascii:surrogateescape")
    assert (shown.returncode, shown.stderr) == (0, b"")
    assert b"score = 0.4 ? content" in shown.stdout


@pytest.mark.parametrize(
    "arguments",
    [["batch", "-", "--output", "{folder}/out"], ["forget", "--file", "-"]],
    ids=lambda each: each[0],
)
def test_a_closed_standard_input_is_an_error_of_one_line(arguments: list[str], tmp_path: Path) -> None:
    given = [each.format(folder=tmp_path) for each in arguments]
    finished = run_alone(given, "<&-", MODEL_PATH=str(tmp_path))
    assert finished.returncode == 2
    assert finished.stderr.endswith(b": standard input is closed\n")
    assert b"Traceback" not in finished.stderr


def run_alone(arguments: list[str], redirected: str = "", **given: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command in a process of its own, with redirections of a shell."""
    return subprocess.run(  # noqa: S603 - our own program
        ["/bin/sh", "-c", f'exec "$0" -m recommender "$@" {redirected}', sys.executable, *arguments],
        cwd=ROOT,
        env=environment(**given),
        capture_output=True,
        check=False,
    )


def test_a_closed_pipe_causes_no_traceback() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing) as nobody:
        process = subprocess.run(
            [sys.executable, "-m", "recommender", "make-key", "frontend", "--scope", "read"],
            cwd=ROOT,
            env=environment(),
            stdout=nobody,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (process.returncode, process.stderr) == (1, b"")
