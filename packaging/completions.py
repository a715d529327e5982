"""Writes the completions for bash, zsh and fish from the parsers (run it without arguments).

One small model of each program (verbs, options, what a value may be) is told three times. The test
of the completions makes them anew and compares, so a new option cannot be forgotten.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from srcroutd.cli import srcroutd
from srcroutd.cli.parser import parser, verbs_of

FOLDER = Path(__file__).parent / "completions"
NICS = ("NIC", "N")
"""Metavars of options whose value is the name of a NIC."""
FILES = ("FILE", "PATH", "DIR")


@dataclass(frozen=True)
class Option:
    """One option or positional (no ``names``): what may follow it, and its help."""

    names: tuple[str, ...]
    help: str
    takes: str = ""
    choices: tuple[str, ...] = ()

    @property
    def values(self) -> str:
        """What a value may be: "words", "nic", "file", "any"; empty if it takes none."""
        if self.choices:
            return "words"
        if not self.takes:
            return ""
        return "nic" if self.takes in NICS else "file" if self.takes in FILES else "any"


@dataclass(frozen=True)
class Command:
    """A program or verb (``path`` is ("srcroutctl", "lab", "up")) with its options and verbs."""

    path: tuple[str, ...]
    help: str
    options: tuple[Option, ...]
    verbs: tuple["Command", ...]

    @property
    def words(self) -> list[str]:
        """All the words that may come next: options, then verbs, then a positional's choices."""
        flags = [name for option in self.options for name in option.names]
        chosen = [word for option in self.options if not option.names for word in option.choices]
        return [*flags, *(verb.path[-1] for verb in self.verbs), *chosen]


def command(path: tuple[str, ...], of: argparse.ArgumentParser, text: str = "") -> Command:
    """The model of a parser."""
    options: list[Option] = []
    helps: dict[str, str] = {}
    for action in of._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {one.dest: one.help or "" for one in action._choices_actions}
            continue
        if action.nargs == argparse.REMAINDER:
            continue
        takes = "" if action.nargs == 0 else str(action.metavar or action.dest).upper()
        choices = tuple(str(one) for one in action.choices or ())
        words = re.sub(r"\s+", " ", (action.help or "").replace("%%", "%"))
        options.append(Option(tuple(action.option_strings), words, takes, choices))
    verbs = tuple(
        command((*path, name), below, helps.get(name, "")) for name, below in verbs_of(of).items()
    )
    return Command(path, text, tuple(options), verbs)


def every(one: Command) -> Iterator[Command]:
    """A command and all below it."""
    yield one
    for verb in one.verbs:
        yield from every(verb)


def bash(programs: list[Command]) -> str:
    """For bash, with or without the bash-completion package."""
    lines = [
        "# Completion of srcroutctl and srcroutd for bash. Made by packaging/completions.py.",
        "_srcroutd_words() {",
        "    case $1 in",
    ]
    for program in programs:
        lines += [
            f'    "{" ".join(one.path)}") echo "{" ".join(one.words)}" ;;' for one in every(program)
        ]
    lines += ["    esac", "}", "", "_srcroutd_values() {", "    case $1 in"]
    for program in programs:
        for one in every(program):
            for option in one.options:
                for name in option.names if option.values else ():
                    lines.append(f'    "{" ".join(one.path)} {name}") {_bash_value(option)} ;;')
    lines += [
        "    *) return 1 ;;",
        "    esac",
        "}",
        "",
        "_srcroutd_complete() {",
        '    local word=${COMP_WORDS[COMP_CWORD]} path=${COMP_WORDS[0]##*/} at said skip=""',
        "    for ((at = 1; at < COMP_CWORD; at++)); do",
        "        said=${COMP_WORDS[at]}",
        '        if [ -n "$skip" ]; then skip=""; continue; fi',
        '        if _srcroutd_values "$path $said" >/dev/null; then skip=yes; continue; fi',
        '        if [ -n "$(_srcroutd_words "$path $said")" ]; then path="$path $said"; fi',
        "    done",
        "    local kind",
        '    if kind=$(_srcroutd_values "$path ${COMP_WORDS[COMP_CWORD - 1]}"); then',
        "        case $kind in",
        '        :file) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;',
        '        :nic) mapfile -t COMPREPLY < <(compgen -W "$(ls /sys/class/net)" -- "$word") ;;',
        "        :any) COMPREPLY=() ;;",
        '        *) mapfile -t COMPREPLY < <(compgen -W "$kind" -- "$word") ;;',
        "        esac",
        "        return",
        "    fi",
        '    mapfile -t COMPREPLY < <(compgen -W "$(_srcroutd_words "$path")" -- "$word")',
        "}",
        "",
        *(f"complete -F _srcroutd_complete {program.path[0]}" for program in programs),
    ]
    return "\n".join(lines) + "\n"


def _bash_value(option: Option) -> str:
    if option.values == "words":
        return f'echo "{" ".join(option.choices)}"'
    return f"echo :{option.values}"


def zsh(program: Command) -> str:
    """For zsh: the file ``_PROGRAM`` in a folder of $fpath."""
    name = program.path[0]
    lines = [f"#compdef {name}", "# Made by packaging/completions.py.", ""]
    for one in reversed(list(every(program))):
        lines += [f"{_function(one)}() {{", *_zsh_body(one), "}", ""]
    return "\n".join([*lines, f'{_function(program)} "$@"']) + "\n"


def _function(one: Command) -> str:
    return "_" + "_".join(one.path).replace("-", "_")


def _zsh_body(one: Command) -> list[str]:
    lines = ["    local context state line", "    _arguments -C \\"]
    for option in one.options:
        value = _zsh_value(option)
        if not option.names:
            lines.append(f"        '*{value}' \\")
        told = _zsh_text(option.help)
        lines += [f"        '{name}[{told}]{value}' \\" for name in option.names]
    if not one.verbs:
        return [*lines[:-1], lines[-1].removesuffix(" \\")]
    lines += ["        '1: :->verb' '*:: :->rest'", "    case $state in", "    verb)"]
    lines.append("        local -a verbs=(")
    lines += [f"            '{verb.path[-1]}:{_zsh_text(verb.help)}'" for verb in one.verbs]
    lines += [
        "        )",
        "        _describe verb verbs ;;",
        "    rest)",
        "        case $line[1] in",
    ]
    for verb in one.verbs:
        lines.append(f"        {verb.path[-1]}) {_function(verb)} ;;")
    return [*lines, "        esac ;;", "    esac"]


def _zsh_value(option: Option) -> str:
    match option.values:
        case "":
            return ""
        case "words":
            return f":{option.takes.lower()}:({' '.join(option.choices)})"
        case "file":
            return f":{option.takes.lower()}:_files"
        case "nic":
            return ":NIC:_net_interfaces"
        case _:
            return f":{option.takes.lower()}: "


def _zsh_text(text: str) -> str:
    return text.replace("'", "").replace("[", "(").replace("]", ")").replace(":", r"\:")


def fish(program: Command) -> str:
    """For fish: the file ``PROGRAM.fish``."""
    name = program.path[0]
    lines = [
        f"# Completion of {name} for fish. Made by packaging/completions.py.",
        f"complete -c {name} -f",
    ]
    for one in every(program):
        when = _fish_when(one)
        lines += [f"complete -c {name} -n '{when}'{_fish_option(option)}" for option in one.options]
        for verb in one.verbs:
            told = _fish_text(verb.help)
            lines.append(f"complete -c {name} -n '{when}' -a {verb.path[-1]} -d '{told}'")
    return "\n".join(lines) + "\n"


def _fish_when(one: Command) -> str:
    seen = [f"__fish_seen_subcommand_from {word}" for word in one.path[1:]]
    if one.verbs:
        below = " ".join(verb.path[-1] for verb in one.verbs)
        seen.append(f"not __fish_seen_subcommand_from {below}")
    return "; and ".join(seen) or "true"


def _fish_option(option: Option) -> str:
    values = {
        "": "",
        "words": f" -xa '{' '.join(option.choices)}'",
        "file": " -rF",
        "nic": " -xa '(command ls /sys/class/net)'",
        "any": " -x",
    }[option.values]
    if not option.names:
        return values.replace(" -xa", " -a") + f" -d '{_fish_text(option.help)}'"
    flags = "".join(
        f" -l {name[2:]}" if name.startswith("--") else f" -s {name[1:]}" for name in option.names
    )
    return f"{flags}{values} -d '{_fish_text(option.help)}'"


def _fish_text(text: str) -> str:
    return text.replace("\\", "").replace("'", r"\'")


def files() -> dict[str, str]:
    """All completions, by file name below ``packaging/completions``."""
    programs = [
        command(("srcroutctl",), parser()),
        command(("srcroutd",), srcroutd.parser()),
    ]
    made = {"srcroutd.bash": bash(programs)}
    for program in programs:
        name = program.path[0]
        made |= {f"_{name}": zsh(program), f"{name}.fish": fish(program)}
    return made


def main() -> int:
    """Write them."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in files().items():
        (FOLDER / name).write_text(text)
        sys.stdout.write(f"{FOLDER / name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
