"""Commands on data, called as a user would."""

from typer.testing import CliRunner

from mgnm_tf.cli import app


def test_the_former_name_of_synthesize():
    result = CliRunner().invoke(
        app, ["world", "--out", "w.csv", "--users", "9"]
    )
    assert result.exit_code == 1
    expected = "mgnm: `mgnm world` is called `mgnm synthesize` now.\n"
    assert result.stderr == expected
    assert "world" not in CliRunner().invoke(app, ["--help"]).stdout
