#!/usr/bin/env python3
"""Breaks every derivative of the library in turn and lists what no test notices.

    tests/mutation/mutate.py [--build DIRECTORY] [--tests REGEX] [--only REGEX] [--list]

A copy of the headers gets a switch at each place where a derivative is computed or passed on; one
build of the tests against it holds all mutants, of which an environment variable makes one active:

    slope      each `return` of an operation's partial(), and each branch that it selects:
               negated, times 1.01, zero;  its operands exchanged
    share      the right side of an assignment in code that handles adjoints:
               negated, times 1.01, zero
    call       a call there: left out
    operation  the backward function of a recorded operation, by name: the adjoint that it is given
               negated, times 1.01;  never called

Places are found by how the code is written, not by a list.  A run without a mutant notes which
places each test reaches with an effect; a mutant is then shown to these tests alone.  It is killed
by a failing test, a crash, or by taking too long; the others are printed, and the exit code is 1.
`equivalent.txt` holds those that no test can notice, with reasons.
"""
import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.dont_write_bytecode = True
from derivatives import KINDS, RECORDS, ROOT, Header  # noqa: E402

HERE = Path(__file__).resolve().parent
FOLDERS = ("core", "ops", "nn", "diff", "optim")
# Programs of their own, which measure or replace what the library stands on.
ALONE = re.search(r"set\(alone([^)]*)\)", (ROOT / "tests/CMakeLists.txt").read_text()).group(1).split()


def read_headers():
    headers = [Header(p) for folder in FOLDERS
               for p in sorted((ROOT / "include/gradtape" / folder).glob("*.hpp"))]
    for header in headers:
        if (re.search(r"//.*_bar\w* [+-]= ", header.text) and not header.places
                and ("::partial" in header.text or "static X value" in header.text
                     or RECORDS.search(header.bare))):
            sys.exit(f"{header.name}: a comment has a derivative (x_bar += ...), the code has none")
    return [h for h in headers if h.places]


def write(path, text):
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def write_copy(headers, include):
    """The headers with all mutants in them, and for each mutant (place, kind)."""
    shutil.copytree(ROOT / "include", include, dirs_exist_ok=True, ignore=lambda folder, names: [
        n for n in names if any(str(Path(folder) / n).endswith("gradtape/" + h.name)
                                for h in headers)])
    write(include / "gradtape/mutation.hpp", (HERE / "mutation.hpp").read_text())
    replaced = {
        "core/recording.hpp": ("node.backward(node)", "mutation::run_backward(node)"),
        # what optimisation does, which sees through no switch
        "core/expression.hpp": ("__builtin_constant_p(operand[I] == operand[J])", "true"),
    }
    mutants = [None]  # from number 1 on
    for header in headers:
        text = header.mutated(len(mutants))
        if header.name in replaced:
            old, new = replaced[header.name]
            if text.count(old) != 1:
                sys.exit(f"{header.name}: {old} is not found")
            text = text.replace(old, new)
        text = text.replace("#pragma once", "#pragma once\n#include <gradtape/mutation.hpp>", 1)
        write(include / "gradtape" / header.name, text)
        for place in header.places:
            mutants += [(place, kind) for kind in KINDS[place[0]]]
    return mutants


def build(options, include):
    """One program of all tests, with the headers that they share precompiled."""
    compiler = os.environ.get("CXX", "c++")
    optimisation = (["-O0", "-fpch-instantiate-templates"] if "clang" in Path(compiler).name
                    else ["-Og"])  # what compiles fastest
    flags = ["-std=c++20", *optimisation, "-w", f"-I{include}", f"-I{ROOT / 'tests'}", *options.flags.split()]
    headers = [p for folder in (include, ROOT / "tests") for p in folder.rglob("*.[hi]*")]
    newest = max(p.stat().st_mtime for p in headers if p.is_file())

    def make(result, source, *more):
        """Compiles what is older than its source or any header."""
        if not result.exists() or result.stat().st_mtime < max(newest, source.stat().st_mtime):
            subprocess.run([compiler, *flags, *more, "-o", result, source], check=True)
        return result

    shared = options.build / "shared.hpp"
    write(shared, '#include "catch.hpp"\n#include <gradtape/gradtape.hpp>\n')
    make(options.build / "shared.hpp.gch", shared, "-x", "c++-header")
    sources = [p for p in sorted((ROOT / "tests").glob("*/*_test.cpp"))
               if str(p.relative_to(ROOT / "tests")) not in ALONE
               and re.search(options.tests, str(p.relative_to(ROOT)))]

    def compiled(source):
        start = [] if source.name == "main.cpp" else ["-include", shared]
        return make(options.build / f"{source.parent.name}_{source.stem}.o", source, *start, "-c")

    with ThreadPoolExecutor(options.jobs) as pool:
        objects = list(pool.map(compiled, [HERE / "main.cpp", *sources]))
    subprocess.run([compiler, *objects, "-o", options.build / "mutants", "-pthread"], check=True)
    return options.build / "mutants"


def observe(program, build_folder):
    """For each test that passes, what it reaches: {test: numbers and names}, and what is no use;
    and the seconds after which tests count as hanging."""
    notes = build_folder / "reached.txt"
    notes.unlink(missing_ok=True)
    start = time.time()
    run = subprocess.run([program], env=dict(os.environ, GRADTAPE_REACHED=str(notes)),
                         stdout=subprocess.DEVNULL, check=False)
    limit = 10 + 3 * (time.time() - start)
    if run.returncode < 0:
        sys.exit(f"the tests were stopped by signal {-run.returncode}: nothing is known")
    reached, useless = {}, set()
    for line in notes.read_text().splitlines():
        test, passed, numbers, without_use, operations = line.split("\t")
        useless |= set(map(int, without_use.split()))
        if passed == "1":
            reached[test] = set(map(int, numbers.split())) | set(operations.split())
        else:
            print(f"left out, as it fails without a mutant: {test}")
    return reached, useless, limit


def is_killed(program, name, tests, limit):
    """Whether one of the tests fails; first those that reach little else."""
    for part in filter(None, (tests[:8], tests[8:])):
        chosen = ",".join(re.sub(r'([\\,\["])', r"\\\1", test) for test in part)
        try:
            run = subprocess.run([program, "--abort", chosen], timeout=limit,
                                 env=dict(os.environ, GRADTAPE_MUTANT=name),
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            return True
        if run.returncode in (-signal.SIGTERM, -signal.SIGINT):
            sys.exit("the tests were stopped from outside")  # which says nothing of the mutant
        if run.returncode != 0:
            return True
    return False


def is_zero(text):
    """Whether an expression is 0: negated, or times something, it is the same."""
    return re.fullmatch(r"X?\(?(T|Literal<X>)?\(?0\)?\)?", text) is not None


def without_line(text):
    return re.sub(r":\d+:", ":", text, count=1)


def read_equivalents():
    """Lines of two parts: a mutant as it is printed, but for the line, and indented the reason."""
    lines = (HERE / "equivalent.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith((" ", "#"))]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=ROOT / "build-mutants")
    parser.add_argument("--flags", default="-isystem /usr/include/eigen3", help="for the compiler")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="compilers at a time")
    parser.add_argument("--tests", default="", help="only test files whose path has this REGEX")
    parser.add_argument("--only", default="", help="only mutants whose description has this REGEX")
    parser.add_argument("--list", action="store_true", help="list the mutants and stop")
    options = parser.parse_args()
    start = time.time()
    mutants = write_copy(read_headers(), options.build / "include")
    described = {str(i): "{1}:{2}: `{3}` {kind}".format(*mutants[i][0], kind=mutants[i][1])
                 for i in range(1, len(mutants))}
    if options.list:
        print("\n".join(described.values()))
        return
    program = build(options, options.build / "include")
    reached, useless, limit = observe(program, options.build)
    if is_killed(program, str(len(mutants)), list(reached), limit):
        sys.exit("the tests do not pass with a switch that is none's")
    library = "".join(p.read_text() for p in (ROOT / "include").rglob("*.hpp"))
    operations = {n for names in reached.values() for n in names if isinstance(n, str)}
    for name in sorted(n for n in operations if f'"{n}"' in library):  # others are the tests' own
        for i, kind in enumerate(KINDS["operation"]):
            described[f"{name}:{i}"] = f"operation {name}: its adjoint {kind}"

    equivalent = read_equivalents()
    alive, explained, killed = [], set(), 0
    for name, text in described.items():
        if not re.search(options.only, text):
            continue
        key = int(name) if name.isdigit() else name.split(":")[0]
        tests = sorted((t for t in reached if key in reached[t]), key=lambda t: len(reached[t]))
        if name.isdigit() and (is_zero(mutants[key][0][3]) or
                               not tests and key in useless):
            continue
        if tests and is_killed(program, name, tests, limit):
            killed += 1
        elif without_line(text) in equivalent:
            explained.add(without_line(text))
        else:
            alive.append(text)
            print("lives:" if tests else "not reached:", text, flush=True)
    if not options.only and not options.tests:
        for text in sorted(set(equivalent) - explained):
            print("killed or gone, but in equivalent.txt:", text)
    print(f"{killed + len(explained) + len(alive)} mutants: {killed} killed, {len(explained)} "
          f"equivalent, {len(alive)} alive; {time.time() - start:.0f} s")
    sys.exit(1 if alive else 0)


main()
