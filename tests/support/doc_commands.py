"""The commands that a page tells people to type: read from its blocks, and held against the real command line."""

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

SHELLS = ("sh", "console", "")
_OPEN = re.compile(r"^(\s*)```(\w*)\s*$")
_PLACE = re.compile(r"<[^<>|&;]*>")
_SEPARATORS = frozenset({"|", "||", "&&", ";", "&", "(", ")"})
_BEFORE = frozenset({"do", "then", "else", "while", "until", "if", "!", "time", "{"})
_REDIRECTIONS = frozenset({">", ">>", "<", "2>", "&>"})


def typed(text: str) -> Iterator[list[str]]:
    """The words of each `tandem …` in a page's blocks of shell, from `tandem` on.

    In a `console` block only lines behind `$ ` are typed, the others are answers. A backslash at the end goes on.
    """
    for language, block in _blocks(text):
        lines = re.sub(r"\\\n\s*", "", block).splitlines()
        if language == "console":
            lines = [line[2:] for line in lines if line.startswith("$ ")]
        for line in lines:
            yield from _calls(line)


def made(text: str) -> set[str]:
    """The targets of each `make …` in a page's blocks of shell."""
    return {
        word
        for language, block in _blocks(text)
        for line in block.splitlines()
        if language != "console" or line.startswith("$ ")
        for word in re.findall(r"(?:^|&& )(?:\$ )?make ([a-z-]+)", line)
    }


def faults(words: list[str], commands: Mapping[str, Any]) -> list[str]:
    """What is wrong with one typed command: its name, an option, or how many arguments it has; empty if nothing is.

    `commands` are click's, by name, `mapping export` for one in a group. What an argument or a value says is not
    judged.
    """
    if any(word in ("--help", "-h") for word in words) or len(words) == 1:
        return []
    name = next((" ".join(words[1:end]) for end in (3, 2) if " ".join(words[1:end]) in commands), None)
    if name is None:
        return _of_a_default(words, commands)
    command, rest = commands[name], words[1 + len(name.split()) :]
    return [f"{' '.join(words)}: {fault}" for fault in _unfit(command, rest)]


def _of_a_default(words: list[str], commands: Mapping[str, Any]) -> list[str]:
    if words[1] == "sync" and "sync run" in commands:  # `tandem sync contacts` is short for `tandem sync run contacts`
        return faults(["tandem", "sync", "run", *words[2:]], commands)
    return [f"{' '.join(words)}: there is no such command"]


def _unfit(command: Any, words: list[str]) -> Iterator[str]:
    options = {
        word: each
        for each in command.params
        if each.param_type_name == "option"
        for word in each.opts + each.secondary_opts
    }
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    given, at = 0, 0
    while at < len(words):
        word, at = words[at], at + 1
        if word == "--":
            given, at = given + len(words) - at, len(words)
            continue
        if not re.match(r"--?[a-z]", word):
            given += 1
            continue
        option = options.get(word.partition("=")[0])
        if option is None:
            yield f"there is no option {word}"
        elif not option.is_flag and "=" not in word:
            if at == len(words):
                yield f"{word} has no value"
            at += 1
    least = sum(each.required for each in arguments)
    if given < least:
        yield f"{least} arguments are needed"
    if given > len(arguments) and not any(each.nargs == -1 for each in arguments):
        yield f"{len(arguments)} arguments at most are taken"


def _calls(line: str) -> Iterator[list[str]]:
    """Each command of a line that is `tandem`, by its first word, or by what `exec <service>` runs."""
    lexer = shlex.shlex(_PLACE.sub("PLACE", line), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = "#"
    try:
        words = list(lexer)
    except ValueError:  # a quote that goes on in the next line: no command of ours is written so
        return
    command: list[str] = []
    skipped = False
    for word in [*words, ";"]:
        if skipped:
            skipped = False
        elif word in _SEPARATORS:
            yield from _ours(command)
            command = []
        elif word in _REDIRECTIONS:
            skipped = True
        elif command or not (word in _BEFORE or re.match(r"\w+=", word)):
            command.append(word)


def _ours(command: list[str]) -> Iterator[list[str]]:
    inner = command[command.index("exec") + 2 :] if "exec" in command else []
    for words in (command, inner):
        if words and (words[0] == "tandem" or words[0].endswith("bin/tandem")):
            yield ["tandem", *words[1:]]


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    """Language and text of each fenced block of shell, without its indent."""
    lines = iter(text.splitlines())
    for line in lines:
        if not (opened := _OPEN.match(line)):
            continue
        block: list[str] = []
        for inner in lines:
            if inner.strip() == "```":
                break
            block.append(inner.removeprefix(opened[1]))
        if opened[2] in SHELLS:
            yield opened[2], "\n".join(block)
