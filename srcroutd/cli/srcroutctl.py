"""The administrator's program: ``srcroutctl VERB``; one sentence an error, never a traceback."""

import sys
from collections.abc import Sequence

from srcroutd.cli.parser import parser
from srcroutd.core.errors import Exit, OperatorError


def main(words: Sequence[str] | None = None) -> int:
    """Run a verb; returns the exit code."""
    words = list(sys.argv[1:] if words is None else words)
    whole = parser()
    options = whole.parse_args(words)
    if options.verb is None:
        options = whole.parse_args([*words, "status"])
    try:
        code = int(options.run(options) or 0)
        sys.stdout.flush()
    except OperatorError as error:
        sys.stderr.write(f"srcroutctl: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # or the interpreter complains of the pipe once more at its end
        return Exit.OK
    except Exception as error:  # noqa: BLE001 - the outermost line: no traceback reaches an operator
        name = type(error).__name__
        sys.stderr.write(
            f"srcroutctl: this is a bug in srcroutctl: {name}: {error}; nothing was changed after "
            "it; please report it with the command that you typed\n"
        )
        return Exit.BUG
    return code


if __name__ == "__main__":
    sys.exit(main())
