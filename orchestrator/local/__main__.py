"""The command line: `python -m orchestrator.local {run,up,clean}`."""

from __future__ import annotations

import argparse
import sys

from orchestrator.local.cleaning import clean
from orchestrator.local.django_programs import ROOT
from orchestrator.local.programs import LaunchError
from orchestrator.local.running import run
from orchestrator.local.up import up

LOCAL = ROOT / ".local"
INTERRUPTED = 130


def main() -> int:
    """Do what the command line says; whatever stands in the way becomes one line and exit status 1."""
    options = parser().parse_args()
    try:
        if options.command == "run":
            words = options.words[1:] if options.words[:1] == ["--"] else options.words
            return run(LOCAL / options.name, words, migrate=options.migrate, unshared=options.unshared)
        if options.command == "up":
            up(LOCAL / "up", options.port)
            return 0
        return clean(ROOT, LOCAL)
    except LaunchError as error:
        print(f"error: {error}", file=sys.stderr)
    except OSError as error:
        print(f"error: {error.strerror or error}: {error.filename or ''}".rstrip(": "), file=sys.stderr)
    except KeyboardInterrupt:
        return INTERRUPTED
    return 1


def parser() -> argparse.ArgumentParser:
    """What the command line may say."""
    parser = argparse.ArgumentParser(prog="python -m orchestrator.local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run_parser = commands.add_parser("run", help="run a command with servers, then stop them")
    run_parser.add_argument("--name", default="run", help="the folder below .local")
    run_parser.add_argument("--migrate", action="store_true", help="migrate the database first")
    run_parser.add_argument("--unshared", action="store_true", help="refuse where another run uses the same servers")
    run_parser.add_argument("words", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    up_parser = commands.add_parser("up", help="run everything until Ctrl-C")
    up_parser.add_argument("--port", type=int, default=0, help="of the web server; default: a free one")
    commands.add_parser("clean", help="stop what runs and remove what was made")
    return parser


if __name__ == "__main__":
    sys.exit(main())
